"""What `/v1/accounting` answers adds up in every single answer, under load, and while processes are killed."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable
from typing import Any

import pytest
from daemon_process import WAIT, Daemon, until

TOTALS = ("received", "accepted", "rejected", "duplicates", "observed", "refused")


class Load(threading.Thread):
    """Good lines, bad ones, and ones that were sent before. Counts what it was answered."""

    def __init__(self, daemon: Daemon, name: str, ending: threading.Event) -> None:
        super().__init__(daemon=True)
        self.target, self.prefix, self.ending = daemon, name, ending
        self.answered = dict.fromkeys(("accepted", "rejected", "duplicates"), 0)
        self.posts = self.unanswered = 0

    def run(self) -> None:
        while not self.ending.is_set():
            self.posts += 1
            ids = [f"{self.prefix}{self.posts}-{n}" for n in range(20)]
            lines = [json.dumps({"id": i, "model": "m", "output": {"confidence": 0.9}}) for i in (*ids, ids[0], ids[3])]
            status, answer = self.target.ask("/v1/events", "\n".join([*lines, "{", "[]"]).encode())
            if status == 202:
                self.answered["accepted"] += answer["accepted"]
                self.answered["duplicates"] += answer["duplicates"]
                self.answered["rejected"] += len(answer["rejected"])
            else:
                self.unanswered += 1
            self.ending.wait(0.002)


class Reader(threading.Thread):
    """Asks again and again, and notes every answer that does not hold."""

    def __init__(self, daemon: Daemon, ending: threading.Event) -> None:
        super().__init__(daemon=True)
        self.target, self.ending = daemon, ending
        self.answers = 0
        self.wrong: list[Any] = []

    def run(self) -> None:
        before: dict[str, Any] = dict.fromkeys(TOTALS, 0)
        while not self.ending.is_set():
            status, found = self.target.ask("/v1/accounting")
            if status != 200:
                self.ending.wait(0.02)
                continue
            self.answers += 1
            if not adds_up(found) or any(found[name] < before[name] for name in TOTALS):
                self.wrong.append((before, found))
            before = found


def adds_up(found: dict[str, Any]) -> bool:
    whole = found["received"] == found["accepted"] + found["rejected"] + found["duplicates"]
    inner = found["accepted"] == found["observed"] + found["waiting"] + found["quarantined"]
    return whole and inner and min(found[name] for name in (*TOTALS, "waiting", "quarantined", "lost")) >= 0


@pytest.mark.parametrize("single", [False, True], ids=["processes", "single"])
def test_every_answer_adds_up_and_no_total_falls_under_load_and_through_kills(
    make_daemon: Callable[..., Daemon], single: bool
) -> None:
    more = ("--single",) if single else ()
    daemon = make_daemon().start(*more)
    ending = threading.Event()
    loads = [Load(daemon, name, ending) for name in "ab"]
    readers = [Reader(daemon, ending) for _ in range(2)]
    for thread in (*loads, *readers):
        thread.start()

    def go_on(answers: int = 12) -> None:
        """Until so many further answers have been read."""
        wanted = [reader.answers + answers for reader in readers]
        until(lambda: all(r.answers >= w for r, w in zip(readers, wanted, strict=True)), "no further answers", 2 * WAIT)

    go_on()
    for role in () if single else ("engine", "front"):
        os.kill(daemon.child(role), signal.SIGKILL)
        go_on()
    daemon.kill()
    daemon.start(*more)
    go_on()
    ending.set()
    for thread in (*loads, *readers):
        thread.join(WAIT)
    assert not [wrong for reader in readers for wrong in reader.wrong]

    def settled() -> dict[str, Any] | None:
        found = daemon.accounting()
        return found if found["waiting"] == 0 else None

    found = until(settled, "something waits")
    assert adds_up(found)
    lost = sum(load.unanswered for load in loads)  # posts that nobody answered may have been taken, or not
    for name, size in (("accepted", 20), ("duplicates", 22), ("rejected", 2)):
        answered = sum(load.answered[name] for load in loads)
        assert answered <= found[name] <= answered + size * lost, (name, found, lost)
    assert sum(load.answered["duplicates"] for load in loads) > 0 and daemon.stop() == 0
