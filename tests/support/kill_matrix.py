"""One story from an empty home to a page that was told, with a death at one named point; and what must hold after it.

The daemon is the installed wheel in a process of its own, the receiver another process. The story without a death says
what is expected.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from daemon_process import WAIT, Daemon, until
from hook_target import ANSWERS, HookTarget

from monitor.killpoints import AT, PIPE, POINTS
from monitor.spool import Spool

# Seconds: a receiver that hangs is given 30, then 60 of doubt; the lease of a courier that was killed lasts 90; where
# the engine is not up within 5, retention has its turn 300 later.
PATIENCE = 340.0 + WAIT
TOML = '[receivers.hook]\ntype = "webhook"\nurl_env = "HOOK"\n[notices]\ngroup_wait = "0s"\n'
SHORT = "[spool]\nretain_days = 0.0001\n"  # 9 seconds, in files of a seventh of that
GOOD = [{"id": f"good{i}", "model": "m", "output": {"confidence": 0.9}} for i in range(40)]
BAD = [{"id": f"bad{i}", "model": "m", "output": {"confidence": 0.1}} for i in range(5)]
CELLS = [(point, answer) for point in POINTS for answer in ANSWERS]


@dataclass(slots=True)
class Outcome:
    """What is left when the story is over; `code` and `told` are of the death."""

    code: int | None = None
    told: str = ""
    accounting: dict[str, int] = field(default_factory=dict)
    duplicates: int = 0  # events that an answer called known already
    ids: list[str] = field(default_factory=list)
    incidents: list[tuple[str, str, str]] = field(default_factory=list)
    messages: list[tuple[str, str, str]] = field(default_factory=list)  # taken by the receiver
    requests: int = 0
    taken: int = 0
    audit: int = -1
    seconds: float = 0.0

    @property
    def twice(self) -> int:
        """Messages that the receiver took once more than needed."""
        return self.taken - len(self.messages)

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "ids": len(self.ids), "twice": self.twice}


class Pipe:
    """The named pipe that a dying process tells its point; only while `armed` it dies at all."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.path, self._reader = path, -1

    def arm(self) -> None:
        self._reader = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK)

    def told(self) -> str:
        """What was told; nobody dies any more."""
        try:
            return os.read(self._reader, 1000).decode().strip()
        except BlockingIOError:
            return ""
        finally:
            os.close(self._reader)


class Story:
    """`run` goes from an empty home to the end. `point` is None in the undisturbed run."""

    def __init__(self, folder: Path, wheel: Path, answer: str, point: str | None) -> None:
        folder.mkdir()
        self.point, self.what = point, "" if point is None else point.partition(" ")[2]
        self.pipe = Pipe(folder / "pipe")
        self.target = HookTarget(folder / "target.jsonl", answer)
        environ = {"HOOK": self.target.url, "PYTHONPATH": str(wheel), PIPE: str(self.pipe.path)}
        toml = TOML + (SHORT if self.what == "retention" else "")
        self.daemon = Daemon(folder, toml=toml, environ=environ | ({AT: point} if point else {}))
        self.outcome = Outcome()

    def run(self) -> Outcome:
        began = time.monotonic()
        try:
            self._live()
        finally:
            self.daemon.end()
            self.target.__exit__(None, None, None)
        self.outcome.seconds = round(time.monotonic() - began, 1)
        return self.outcome

    def _live(self) -> None:
        if self._dies_at("migration"):
            self.daemon.launch("--single")
            self._revive()
        else:
            self.daemon.start("--single")
        self._post(GOOD[:20])
        if self.what == "retention":
            self._grow_old()
        self._post(GOOD[20:])
        armed = self._dies_at("spool fsync", "observe", "ledger commit", "claim", "socket write", "outcome commit")
        self._post(BAD)
        if armed:
            self._revive()
        incident = self.daemon.incident()
        if self._dies_at("snapshot write"):
            self.daemon.process.send_signal(signal.SIGTERM)  # type: ignore[union-attr]
            self._revive()
        until(lambda: self._delivered(incident["id"]), "the page is not delivered", PATIENCE)
        self._look()

    def _dies_at(self, *what: str) -> bool:
        """Whether the point of this story belongs to one of these; from here on it kills."""
        if self.point is None or self.what not in what:
            return False
        self.pipe.arm()
        return True

    def _revive(self) -> None:
        """Wait for the death, and start again. The second time there is nothing to wait for."""
        if self.outcome.code is not None:
            return
        process = self.daemon.process
        assert process is not None
        until(lambda: process.poll() is not None, f"the point {self.point!r} is never hit", PATIENCE)
        self.outcome.code, self.outcome.told = process.returncode, self.pipe.told()
        self.daemon.start("--single")

    def _post(self, events: Sequence[dict[str, Any]]) -> None:
        """Post until it is answered with 202, as a client does that must not lose anything."""
        status, answer = self.daemon.post(*events)
        if status != 202:
            self._revive()
            status, answer = self.daemon.post(*events)
        assert status == 202 and answer["accepted"] + answer["duplicates"] == len(events), answer
        self.outcome.duplicates += answer["duplicates"]

    def _grow_old(self) -> None:
        """Two generations of snapshots and files that are old enough: then something may go."""
        for turn in range(2):
            time.sleep(1.5)  # a file holds records of so long a time
            self._post([{**GOOD[0], "id": f"turn{turn}"}])
            until(lambda: self.daemon.accounting()["waiting"] == 0, "events wait")
            assert self.daemon.stop() == 0
            if turn == 1:
                time.sleep(9.0)
                self._dies_at("retention")
            self.daemon.start("--single")
        self._revive()

    def _delivered(self, incident: str) -> bool:
        status, found = self.daemon.ask(f"/v1/incidents/{incident}")
        return status == 200 and [notice["state"] for notice in found["notices"]] == ["delivered"]

    def _look(self) -> None:
        daemon, outcome = self.daemon, self.outcome
        until(lambda: daemon.accounting()["waiting"] == 0, "events wait")
        names = ("received", "accepted", "rejected", "duplicates", "observed", "waiting", "quarantined")
        found = daemon.accounting()
        outcome.accounting = {name: found[name] for name in names}
        outcome.incidents = [(i["rule"], i["model"], i["state"]) for i in daemon.incidents()]
        assert daemon.stop() == 0
        requests, taken = self.target.requests(), self.target.taken()
        told = {r["key"]: (*r["about"], r["reason"], r["status"]) for r in requests if r["key"] in taken}
        outcome.requests, outcome.taken, outcome.messages = len(requests), taken.total(), sorted(told.values())
        outcome.ids = ids_in(daemon.home / "spool")
        outcome.audit = audit_code(daemon)


def problems(outcome: Outcome, expected: Outcome, point: str) -> list[str]:
    """What does not hold after a death, in sentences; none is what is wanted."""
    more = 2 if point.endswith("retention") else 0  # such a story has two posts more
    sent = len(GOOD) + len(BAD) + more
    counted = {"accepted": sent, "observed": sent, "waiting": 0, "quarantined": 0, "rejected": 0}
    counted |= {"duplicates": outcome.duplicates, "received": sent + outcome.duplicates}
    wanted = {event["id"] for event in [*GOOD, *BAD]}
    twice = [id_ for id_, times in Counter(outcome.ids).items() if times > 1]
    held: dict[str, bool] = {
        f"It ended with {outcome.code} and not by SIGKILL.": outcome.code == -signal.SIGKILL,
        f"The pipe was told {outcome.told!r}.": outcome.told == point,
        f"The accounting is {outcome.accounting}, not {counted}.": outcome.accounting == counted,
        f"Events are twice in the spool: {twice}.": not twice,
        f"Events are missing: {wanted - set(outcome.ids)}.": more > 0 or wanted == set(outcome.ids),
        f"The incidents are {outcome.incidents}.": outcome.incidents == expected.incidents,
        f"The receiver took {outcome.messages}, not {expected.messages}.": outcome.messages == expected.messages,
        f"It took them {outcome.twice} times too often.": outcome.twice <= 1,
        f"`audit verify` answers {outcome.audit}.": outcome.audit == 0,
    }
    return [sentence for sentence, holds in held.items() if not holds]


def ids_in(spool: Path) -> list[str]:
    """Of every event that can be read."""
    with Spool.open(spool, write=False) as reading:
        first = reading.oldest_replayable(0).offset
        records = reading.read(0, first, 10**9)
    return [json.loads(line)["id"] for record in records for line in record.payload.split(b"\n")]


def audit_code(daemon: Daemon) -> int:
    """Of `overloop audit verify`."""
    command = [sys.executable, "-m", "monitor.cli", "--home", str(daemon.home), "audit", "verify"]
    return subprocess.run(command, env=daemon.environ, cwd=daemon.folder, capture_output=True, check=False).returncode
