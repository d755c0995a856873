"""The wheel as a stranger meets it: installed in an empty environment with every hash checked, used from elsewhere.

Builds it, installs it, asks for the version, makes a ledger, starts the daemon, sends one event over HTTP and waits
until the daemon says that it was observed. Exits with a sentence at the first thing that does not hold.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
EVENT = {"id": "1", "model": "wheel-check", "inputs": {"amount": 12.5}, "output": {"label": "ok"}}
PATIENCE = 60.0  # seconds


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="overloop-wheel-") as folder:
        scratch = Path(folder)
        wheel = build(scratch)
        program = install(wheel, scratch)
        home = scratch / "home"
        environment = {"PATH": os.environ["PATH"], "HOME": folder, "OVERLOOP_HOME": str(home)}
        version = run([program, "--version"], scratch, environment).strip()
        if wheel.name.split("-")[1] not in version:
            sys.exit(f"overloop --version says {version!r}, and the wheel is {wheel.name}.")
        run([program, "db", "upgrade"], scratch, environment)
        with daemon(program, scratch, environment) as url:
            one_event(url, (home / "token").read_text().strip())
        print(f"{wheel.name}: installed, {version}, one event in, one observed.")


def build(scratch: Path) -> Path:
    run([sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", scratch, ROOT], ROOT, dict(os.environ))
    return next(scratch.glob("*.whl"))


def install(wheel: Path, scratch: Path) -> Path:
    """Into a fresh environment, from the lock and nothing else."""
    locked = run([ROOT / ".ci/export", "--no-default-groups"], ROOT, dict(os.environ))
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    requirements = scratch / "requirements.txt"
    requirements.write_text(f"{locked}\noverloop @ {wheel.as_uri()} --hash=sha256:{digest}\n")
    run([sys.executable, "-m", "venv", scratch / "venv"], scratch, dict(os.environ))
    pip = [scratch / "venv/bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    run([*pip, "--require-hashes", "--requirement", requirements], scratch, dict(os.environ))
    return scratch / "venv/bin/overloop"


@contextlib.contextmanager
def daemon(program: Path, scratch: Path, environment: dict[str, str]) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    with (scratch / "log").open("wb") as log:
        process = subprocess.Popen([program, "run", "--listen", address], cwd=scratch, env=environment, stderr=log)
    try:
        until("the daemon is ready", lambda: process.poll() is None and status(f"http://{address}/-/ready") == 200)
        yield f"http://{address}"
        process.send_signal(signal.SIGTERM)
        if process.wait(PATIENCE) != 0:
            sys.exit(f"The daemon ended with code {process.returncode} after SIGTERM.")
    except BaseException:
        sys.stderr.write((scratch / "log").read_text(errors="replace")[-8000:])
        raise
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def one_event(url: str, token: str) -> None:
    answer = call(f"{url}/v1/events", token, json.dumps(EVENT).encode() + b"\n")
    if answer.get("accepted") != 1:
        sys.exit(f"The event was not accepted: {answer}.")
    until("the event is observed", lambda: call(f"{url}/v1/accounting", token)["observed"] == 1)


def call(url: str, token: str, body: bytes | None = None) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/x-ndjson"}
    with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=10) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


def status(url: str) -> int | None:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return int(answer.status)
    except OSError:
        return None


def until(what: str, holds: Any) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > end:
            sys.exit(f"Waited {PATIENCE:.0f} s in vain until {what}.")
        time.sleep(0.1)


def run(command: list[Any], folder: Path, environment: dict[str, str]) -> str:
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(words)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    main()
