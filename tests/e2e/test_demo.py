"""The demo as a person sees it who has never seen the project: on a terminal, with the commands typed as printed."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from live_daemon import ROOT, Process, descendants, wait_until

pytestmark = pytest.mark.slow
LIMIT = 60.0  # seconds from start to incident
COMMAND = [sys.executable, "-m", "monitor.cli", "demo", "--no-wait"]


class Terminal:
    """A program on a terminal of 200 columns; `text` is what it has printed, without colours."""

    def __init__(self, command: list[str], temporary: Path) -> None:
        self._master, slave = pty.openpty()
        plain = {name: value for name, value in os.environ.items() if not name.startswith("OVERLOOP_")}
        environ = {**plain, "COLUMNS": "200", "TERM": "xterm", "TMPDIR": str(temporary)}
        self.process = subprocess.Popen(command, cwd=ROOT, env=environ, stdout=slave, stderr=slave, process_group=0)
        os.close(slave)
        self._printed = b""
        self.family: list[Process] = []  # what it has started, as far as `meet` has seen it
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    @property
    def text(self) -> str:
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self._printed.decode(errors="replace")).replace("\r", "\n")

    def shows(self, pattern: str, seconds: float) -> re.Match[str]:
        """The first match of a pattern in what it prints."""
        found = wait_until(lambda: self._look(pattern), f"{pattern} on the terminal", seconds)
        assert found is not None
        return found

    def _look(self, pattern: str) -> re.Match[str] | None:
        found = re.search(pattern, self.text, re.MULTILINE)
        assert found or self.process.poll() is None, f"it ended with {self.process.returncode}:\n{self.text}"
        return found

    def meet(self) -> list[Process]:
        """The processes it has started so far. They are ended with the test, even after it has died itself."""
        self.family = descendants(self.process.pid)
        return self.family

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join(10)
        os.close(self._master)

    def _read(self) -> None:
        while True:
            try:
                part = os.read(self._master, 65536)
            except OSError:  # nobody holds the other end any more
                return
            self._printed += part


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    """The demo, waiting for somebody to acknowledge; its temporary files are below `tmp_path`."""
    running = Terminal(COMMAND[:-1], tmp_path)
    try:
        yield running
    finally:
        left = [*running.family, *descendants(running.process.pid)]
        running.close()
        for one in left:  # only where the test has failed
            if one.alive():
                os.kill(one.pid, signal.SIGKILL)


def gone(family: list[Process]) -> None:
    wait_until(lambda: not [one for one in family if one.alive()], f"no process of {family} is left", 20.0)


def test_it_runs_to_its_end_by_itself_in_under_a_minute(tmp_path: Path) -> None:
    began = time.monotonic()
    environ = {**os.environ, "COLUMNS": "200", "TMPDIR": str(tmp_path)}
    done = subprocess.run(COMMAND, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert time.monotonic() - began < LIMIT
    changed = re.search(r"sensor (f\d) changed from degrees Celsius to Fahrenheit at row ([\d,]+)", done.stdout)
    assert changed, done.stdout
    assert "shuttle-radiator" in done.stdout and f"inputs.{changed[1]} is at" in done.stdout
    assert "What it means:" in done.stdout and "What to do:" in done.stdout
    late = re.search(r"called a person about ([\d,]+) rows after the change", done.stdout)
    assert late and int(late[1].replace(",", "")) < 3000, done.stdout
    assert list(tmp_path.iterdir()) == []


def test_the_link_works_and_the_printed_command_acknowledges(terminal: Terminal, tmp_path: Path) -> None:
    terminal.shows(r"Answers watched .*\d+/49097", LIMIT)
    summary = terminal.shows(r"^A sensor of shuttle-radiator no longer reads as it did: .*$", LIMIT)[0].strip()
    link = terminal.shows(r"http://127\.0\.0\.1:\d+/login\?\S+", 5.0)[0]
    typed = terminal.shows(r"^ *(\S.* incident ack \S+) *$", 5.0)[1]
    family = terminal.meet()
    assert len(family) >= 3, "a daemon of two processes and their parent"

    first, second = fetch(link), fetch(link)
    assert first[0] == second[0] == 200 and b"Sign in" in first[2], "looking at a link does not use it up"
    page = signed_in(link)
    assert summary in page and "Acknowledge" in page

    done = subprocess.run(["/bin/sh", "-c", typed], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, f"{typed}: {done.stdout}{done.stderr}"
    assert "is acknowledged" in done.stdout
    assert terminal.shows(r"Acknowledged by (\w+) at 20\d\d-", 20.0)[1] == "admin"

    if terminal.process.poll() is None:
        os.killpg(terminal.process.pid, signal.SIGINT)  # as the terminal does at Ctrl-C
    assert terminal.process.wait(40) == 0, terminal.text
    gone(family)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_everything_cleanly(terminal: Terminal, tmp_path: Path, number: signal.Signals) -> None:
    terminal.shows(r"Answers watched .*[1-9]\d*/49097", LIMIT)
    family = terminal.meet()
    os.killpg(terminal.process.pid, number)
    code = terminal.process.wait(40)
    assert number != signal.SIGINT or (code == 0 and "Stopped" in terminal.text), terminal.text
    assert "Traceback" not in terminal.text
    gone(family)
    assert list(tmp_path.iterdir()) == []


# -- a browser, as far as it is needed ----------------------------------------------------------------------------


def fetch(link: str, form: dict[str, str] | None = None, cookie: str = "") -> tuple[int, dict[str, str], bytes]:
    parts = urlsplit(link)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=20)
    headers = {"Cookie": cookie} if cookie else {}
    if form is not None:
        headers |= {"Content-Type": "application/x-www-form-urlencoded", "Origin": f"http://{parts.netloc}"}
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    connection.request("GET" if form is None else "POST", path, None if form is None else urlencode(form), headers)
    answer = connection.getresponse()
    found = answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.read()
    connection.close()
    return found


def signed_in(link: str) -> str:
    """The page a login link leads to, after the button was pressed."""
    asked = {name: values[0] for name, values in parse_qs(urlsplit(link).query).items()}
    status, headers, body = fetch(link.partition("?")[0], asked)
    assert status == 303, body
    cookie = headers["set-cookie"].partition(";")[0]
    status, _, body = fetch(f"http://{urlsplit(link).netloc}{headers['location']}", cookie=cookie)
    assert status == 200
    assert fetch(link.partition("?")[0], asked)[0] == 403, "a link signs in once"
    return body.decode()
