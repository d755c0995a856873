"""`make fuzz-api`: everything that the OpenAPI document allows, and what it does not, asked of a real daemon.

    python tests/fuzz/api.py [--seconds S]

With the admin's token and without any: no 5xx, no answer later than a few seconds, and each as the document says.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))

from daemon_process import Daemon  # noqa: E402

SECONDS = 5.0  # that an answer may take
EVENTS = [{"id": f"e{n}", "model": "m", "version": "1", "output": {"confidence": 0.1}} for n in range(8)]
# What OpenAPI cannot say: that an end comes after a beginning, that a body is in the coding its header names. And of what
# is wrong in a body of events each line is told, beside those that are taken: the answer is 202 all the same. Allow names
# what may be done at an address by any of its routes, /v1/references/{id} for /v1/references/fit, too. What waits for
# people or for services is not asked to wait; a drill has tests of its own.
CONFIG = """
[checks]
positive_data_acceptance.enabled = false
allow_header_conformance.enabled = false
[[operations]]
include-path-regex = "^/v1/(events|truth)$"
[operations.checks]
negative_data_rejection.enabled = false
[[operations]]
include-name = "GET /v1/decisions/{id_}"
parameters = { "query.wait" = 0.1 }
[[operations]]
include-name = "POST /v1/gate-drills"
enabled = false
"""


def main() -> int:
    parser = argparse.ArgumentParser(prog="make fuzz-api", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=int, default=60, help="for what is asked with a token")
    parser.add_argument("--seed", type=int, default=None, help="ask the same again")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="overloop-api-") as folder:
        daemon = Daemon(Path(folder))
        try:
            daemon.start("--single")
            daemon.accept(*EVENTS)
            daemon.incident()
            known = ["--header", f"Authorization: Bearer {(daemon.home / 'token').read_text().strip()}"]
            (Path(folder) / "schemathesis.toml").write_text(CONFIG)
            document = Path(folder) / "openapi.json"
            document.write_text(json.dumps(daemon.ask("/openapi.json")[1]))
            codes = [
                _ask(daemon, document, ["-n", "2", "--phases", "fuzzing"], asked.seed),
                _ask(daemon, document, [*known, "--max-time", str(asked.seconds)], asked.seed),
            ]
            ended = daemon.process is None or daemon.process.poll() is not None
            faults = daemon.said("request_failed")
        finally:
            daemon.end()
    for fault in faults[:5]:
        print(fault.get("exception"), file=sys.stderr)
    bad = [*filter(None, codes), *(["it ended"] if ended else []), *faults]
    print(f"{2 - len([*filter(None, codes)])} passed, {len(bad)} failed")
    return 1 if bad else 0


def _ask(daemon: Daemon, document: Path, more: list[str], seed: int | None) -> int:
    command = [
        *(sys.executable, "-W", "ignore", "-m", "schemathesis.cli", "run", str(document)),
        *("--url", f"http://127.0.0.1:{daemon.port}", "--no-color"),
        *("--request-timeout", f"{2 * SECONDS}", "--max-response-time", f"{SECONDS}", "--warnings", "off", *more),
        *(("--seed", str(seed)) if seed is not None else ()),
    ]
    return subprocess.run(command, cwd=daemon.folder, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
