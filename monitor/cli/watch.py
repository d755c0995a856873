"""`overloop watch`: on another machine, look at a daemon again and again, and tell people when it goes quiet."""

from __future__ import annotations

import os
import threading
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from monitor.cli.context import Exit, fail, say
from monitor.cli.http import Daemon, DaemonProblem

if TYPE_CHECKING:
    from monitor.core.rules.model import Severity
    from monitor.core.vigil import Alarm, Vigil
    from monitor.delivery.apprise_sender import Senders

SEND = 30.0  # seconds that sending one message may take, and one look at most
LEAST = 5.0  # seconds that a look may take in any case
BEATS = 3.0  # looks, or minutes if that is more, without an event that went round


def watch(url: str, every: float, tell: list[str]) -> int:
    """Look until told to stop. Ends with 2 for a token or an address that cannot be used."""
    from monitor.app.signals import stop_on_signals
    from monitor.core.vigil import Vigil
    from monitor.delivery.address import Address
    from monitor.delivery.apprise_pool import HelperPool
    from monitor.delivery.senders import make_senders

    token = os.environ.get("OVERLOOP_TOKEN", "").strip()
    if not token:
        fail("Set OVERLOOP_TOKEN to a token of that daemon: `overloop token create watch --role ingest`.", Exit.USAGE)
    stop = threading.Event()
    stop_on_signals(stop)
    pool = HelperPool(size=1)
    try:
        senders = make_senders({f"--tell {n}": Address(url=one) for n, one in enumerate(tell, 1)}, pool)
        for sentence in senders.problems.values():
            fail(sentence, Exit.USAGE)
        name = urlsplit(url).netloc.rpartition("@")[2] or "an address without a host"
        daemon = Daemon(url, None, token, min(SEND, max(LEAST, every)))
        look = Look(daemon, max(BEATS * every, 60.0 * BEATS))
        say(f"Watching {name} every {every:g} s; {len(senders.usable)} are told when it goes quiet.")
        turns = threading.Thread(target=_turns, args=(look, Vigil(name), Owed(senders), every, stop), daemon=True)
        turns.start()
        while turns.is_alive() and not stop.wait(0.5):
            pass
        turns.join(LEAST)  # a look or a message on its way is not waited for without end
    finally:
        pool.close()
    say("The watch has ended.")
    return 0


def _turns(look: Look, vigil: Vigil, owed: Owed, every: float, stop: threading.Event) -> None:
    while not stop.is_set():
        began, at = time.monotonic(), time.time()
        alarm = vigil.looked(look.why_not(), at)
        if alarm is not None:
            say(f"{alarm.title}. {alarm.body}", err=True)
            owed.add(alarm)
        owed.send()
        stop.wait(max(0.05, every - (time.monotonic() - began)))


class Look:
    """One look after another at one daemon."""

    def __init__(self, daemon: Daemon, limit: float) -> None:
        self.daemon, self.limit = daemon, limit

    def why_not(self) -> str | None:
        """Why it is not well, as a sentence; None if it is."""
        from monitor.core.vigil import why_unwell

        try:
            said: dict[str, Any] = self.daemon.json("/-/engine")
        except DaemonProblem as problem:
            return str(problem)
        return why_unwell(said, _age(said), self.limit)


class Owed:
    """Messages that were not taken yet, by receiver: each is tried again at every look, in order, until it is taken.

    What is refused for good, or may have arrived, is said once and let go; of many only the last few are kept.
    """

    MOST = 10

    def __init__(self, senders: Senders) -> None:
        self.senders = senders.usable
        self.waiting: dict[str, list[Alarm]] = {name: [] for name in self.senders}

    def add(self, alarm: Alarm) -> None:
        for name, waiting in self.waiting.items():
            self.waiting[name] = [*waiting, alarm][-self.MOST :]

    def send(self) -> None:
        from monitor.delivery.protocol import Outgoing

        for name, waiting in self.waiting.items():
            while waiting:
                alarm = waiting[0]
                over = alarm.kind == "back"
                severity: Severity = "low" if over else "critical"
                reason = "recovered" if over else "opened"
                message = Outgoing(alarm.title, alarm.body, severity, "", reason, at=time.time())
                result = self.senders[name].send(message, SEND)
                if result.outcome != "delivered":
                    say(f"{name} was not told ({result.reason}). {result.problem}", err=True)
                if result.outcome in ("retry", "dead"):
                    break  # a page is worth another try, whatever the reason
                waiting.pop(0)


def _age(said: dict[str, Any]) -> float | None:
    """Seconds between the engine's last step and the last event that went round: both by the daemon's own clock."""
    try:
        at, rounded = (datetime.fromisoformat(said[key]).timestamp() for key in ("at", "rounded_at"))
    except (KeyError, TypeError, ValueError):
        return None
    return at - rounded
