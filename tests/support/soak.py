"""Load that counts its own answers, and kills of any process at random instants."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from daemon_process import WAIT, Daemon, alive, command_of, until

MODELS = 6  # each goes bad once
PAUSE = 2.0  # seconds between two kills, on average


@dataclass(slots=True)
class Load:
    """What a client knows of its own posts. Each is tried again until it is answered with 202."""

    sent: set[str] = field(default_factory=set)
    accepted: int = 0
    duplicates: int = 0
    unanswered: int = 0  # attempts; what became of them nobody told
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def post(self, daemon: Daemon, events: list[dict[str, Any]], until_: float) -> None:
        self.sent.update(event["id"] for event in events)
        while time.monotonic() < until_:
            status, answer = daemon.post(*events)
            with self._lock:
                if status == 202:
                    self.accepted += answer["accepted"]
                    self.duplicates += answer["duplicates"]
                    return
                self.unanswered += len(events)
            time.sleep(0.1)
        raise AssertionError(f"a post is never answered: {status} {answer}")


class Poster(threading.Thread):
    """Good events all the time, of all models in turn."""

    def __init__(self, daemon: Daemon, load: Load, name: str, seed: int) -> None:
        super().__init__(daemon=True)
        self.target, self.load, self.prefix, self.draw = daemon, load, name, random.Random(seed)
        self.done = threading.Event()
        self.failure: BaseException | None = None

    def run(self) -> None:
        for number in count():
            if self.done.wait(0.03):
                return
            size, model = self.draw.randint(1, 5), f"m{number % MODELS}"
            ids = [f"{self.prefix}-{number}-{i}" for i in range(size)]
            events = [{"id": id_, "model": model, "output": {"confidence": 0.9}} for id_ in ids]
            try:
                self.load.post(self.target, events, time.monotonic() + 120.0)
            except BaseException as problem:
                self.failure = problem
                return


class Killer:
    """Kills any process of a daemon, and starts what then does not run any more."""

    def __init__(self, daemon: Daemon, seed: int) -> None:
        self.daemon, self.draw = daemon, random.Random(seed)
        self.kills: Counter[str] = Counter()
        self.ended = 0  # times that the daemon ended by itself, since its engine was killed while it made the home

    def kill(self) -> None:
        self.rise()
        family = self.daemon.family()
        pid = self.draw.choice(family)
        role = self._role(pid)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            self.kills[role] += 1
        if pid == self.daemon.pid:
            assert self.daemon.process is not None
            self.daemon.process.wait()
            until(lambda: not [other for other in family if alive(other)], "an orphan is left", seconds=10.0)
            self.daemon.launch()

    def rise(self) -> None:
        """Start it where nothing runs, as systemd does."""
        if self.daemon.process is not None and self.daemon.process.poll() is not None:
            self.ended += 1
            self.daemon.launch()

    def pause(self) -> float:
        return min(4 * PAUSE, self.draw.expovariate(1 / PAUSE))

    def _role(self, pid: int) -> str:
        if pid == self.daemon.pid:
            return "parent"
        words = command_of(pid)
        return words[-1] if words[-1:] in (["front"], ["engine"]) else "helper"


def bad(model: int) -> list[dict[str, Any]]:
    return [{"id": f"bad-{model}-{i}", "model": f"m{model}", "output": {"confidence": 0.1}} for i in range(5)]


def quiet(daemon: Daemon, killer: Killer) -> None:
    """Until the daemon runs and has observed everything."""

    def rested() -> bool:
        killer.rise()
        return daemon.is_ready() and daemon.ask("/v1/accounting")[1].get("waiting") == 0

    until(rested, "it does not come to rest", 3 * WAIT)
