"""The courier: claims what is due, sends it, and writes what became of it. At least once, and it says so."""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from secrets import token_hex
from typing import Final, Protocol

import structlog

from monitor.core.changes import Silence
from monitor.core.incidents.model import Incident
from monitor.core.incidents.silences import without_effect
from monitor.core.notices.holds import Hold
from monitor.core.notices.keys import PAGES
from monitor.core.notices.last_look import Withheld, still_owed
from monitor.core.notices.model import Kept, Notice
from monitor.core.notices.render import Links
from monitor.delivery.protocol import Sender
from monitor.killpoints import point
from monitor.runtime.courier_delivery import Ack, Clock, Deliverer, Labels, unlabelled
from monitor.runtime.courier_groups import Grouping, Groups
from monitor.runtime.courier_targets import Broke, Targets, Works
from monitor.runtime.courier_terms import Delivery, Terms
from monitor.store import outbox
from monitor.store.database import Database, LedgerUnavailable
from monitor.store.outbox import Claimed
from monitor.store.silences import silences

__all__ = ["Courier", "Delivery", "Terms"]

log = structlog.get_logger("courier")

POLL: Final = 2.0  # seconds between looks at the outbox when nobody wakes the courier
_LOOK_AGAIN: Final = 60.0  # seconds after which a silenced notice is judged again: a silence may be ended early
_SOON: Final = 300.0  # seconds that nothing waits longer than at the start, whatever made it wait


Holding = Callable[[str, Incident], Hold | None]  # of a call to a receiver


class Sleeper(Protocol):
    def wait(self, timeout: float) -> bool: ...


class Courier:
    """`run` belongs to one thread. `told` hears of every attempt, from the workers' threads; `held` of every notice
    that is not sent: "cancelled" for good, "silenced" for now.

    `wake` wakes the sleeper that `run` sleeps on. `cut` ends messages on their way at once (closes the helpers) when
    the courier stops and they take too long. `turns` and `waiting` are for the watchdog: looks at the outbox so far,
    and what it waits for (a named wait beats the watchdog as a look does). `errand` is asked in every turn for
    something else that a worker is to do.
    """

    def __init__(
        self,
        database: Database,
        senders: Mapping[str, Sender],
        clock: Clock,
        links: Links,
        terms: Terms | None = None,
        wake: Callable[[], None] = lambda: None,
        told: Callable[[Delivery], None] = lambda _: None,
        held: Callable[[str], None] = lambda _: None,
        cut: Callable[[], None] = lambda: None,
        labels: Labels = unlabelled,
        grouping: Grouping | None = None,
        holding: Holding = lambda target, incident: None,
        broke: Broke = lambda name, problem: None,
        works: Works = lambda name: None,
        ack: Ack = lambda claimed, at: None,
        errand: Callable[[], Callable[[], None] | None] = lambda: None,
    ) -> None:
        self.turns, self.waiting = 0, ""
        self._database, self._clock, self._terms = database, clock, terms or Terms()
        self._wake, self._held, self._cut = wake, held, cut
        self._holder = f"{os.getpid()}-{token_hex(8)}"  # a restarted process never takes itself for its predecessor
        self._targets = Targets(self._terms.rate, broke, works)
        self._groups, self._holding = Groups(grouping), holding
        self._free = threading.Semaphore(self._terms.workers)
        self._errand = errand
        self._jobs: queue.SimpleQueue[Claimed | Callable[[], None] | None] = queue.SimpleQueue()
        self._ending = threading.Event()
        self._deliverer = Deliverer(database, senders, clock, links, self._terms, told, self._ending, labels, ack)
        self._begun_with: Mapping[str, Sender] | None = None
        self._next_due: float | None = None  # as of the last look that found nothing to send

    def use(self, senders: Mapping[str, Sender]) -> None:
        """From the next message on. What is on its way keeps its sender; what waits for another address goes now."""
        self._deliverer.senders = senders

    def run(self, stop: threading.Event, sleeper: Sleeper) -> None:
        """Work until told to stop; then wait a bounded time for what is on its way."""
        workers = [threading.Thread(target=self._work, daemon=True) for _ in range(self._terms.workers)]
        for worker in workers:
            worker.start()
        while not stop.is_set():
            pause = self._safe_turn()
            self.turns += 1
            if pause > 0.0:
                sleeper.wait(pause)
        self._drain(workers)

    def turn(self) -> bool:
        """Claim the notice that is due longest and hand it to a worker. False if nothing is due or nobody is free."""
        if not self._free.acquire(blocking=False):
            self.waiting = "receivers"
            return False
        claimed = None
        try:
            claimed = self._errand() or self._claim(self._clock.now())
        finally:
            if claimed is None:
                self._free.release()
        self.waiting = "" if claimed else "notices"
        if claimed is None:
            return False
        self._jobs.put(claimed)
        return True

    def _safe_turn(self) -> float:
        """Seconds to sleep after one turn. The courier is the last to die."""
        try:
            if self._begun_with is not self._deliverer.senders:
                self._begin(self._clock.now(), self._deliverer.senders)
            return 0.0 if self.turn() else self._pause()
        except LedgerUnavailable as problem:
            self.waiting = "ledger"
            log.warning(str(problem), action="waiting_ledger")
        except Exception:
            log.exception("The courier failed in one turn and goes on.", action="courier_failed")
        return POLL

    def _begin(self, now: float, senders: Mapping[str, Sender]) -> None:
        """Look at what an earlier run left: messages that wait for a mended receiver, silences of no effect."""
        addresses = {name: sender.label for name, sender in senders.items()}
        for name in sorted(outbox.hasten(self._database, now, addresses, _SOON)):
            log.info("A receiver is new or has another address.", action="receiver_changed", receiver=name)
        with self._database.read() as connection:
            in_force = silences(connection, ended_after=now)
        for sentence in filter(None, map(without_effect, in_force)):
            log.warning(sentence, action="silence_without_effect")
        self._groups.recall(self._database, now)
        self._begun_with = senders

    def _claim(self, now: float) -> Claimed | None:
        """The next notice to send. On the way, those no longer owed are cancelled and those that must wait put off."""
        skip = self._targets.skip(now)
        with self._database.read() as connection:
            due = outbox.next_due(connection, now, skip)
            if due is None or due > now:
                self._next_due = due
                return None
            in_force = silences(connection, ended_after=now)

        kept_back: list[tuple[Notice, Withheld]] = []

        def looked_at(notice: Notice, incident: Incident, others: Sequence[Kept]) -> Withheld | None:
            return (
                _judged(notice, incident, others, in_force, now)
                or self._waits(notice, incident, now)
                or self._groups.waits(notice, incident, now)
            )

        def judge(notice: Notice, incident: Incident, others: Sequence[Kept]) -> Withheld | None:
            withheld = looked_at(notice, incident, others)
            if withheld is not None:
                kept_back.append((notice, withheld))
            return withheld

        point("before claim")
        claimed = self._groups.claim(self._database, now, self._holder, self._terms.lease, judge, looked_at, skip)
        for notice, withheld in kept_back:
            self._keep_back(notice, withheld)
        if claimed is not None:
            point("after claim")
            self._targets.take(claimed.notice.target, now)
            return claimed
        with self._database.read() as connection:  # what was due was put off or cancelled
            self._next_due = outbox.next_due(connection, now, skip)
        return None

    def _waits(self, notice: Notice, incident: Incident, now: float) -> Withheld | None:
        """What held nobody back when a call was decided may do so when it is tried again, or much later."""
        if notice.reason not in PAGES:
            return None
        try:
            hold = self._holding(notice.target, incident)
        except Exception:  # when in doubt it is sent
            log.exception("A notice could not be judged.", action="courier_failed", notice=notice.key)
            return None
        return None if hold is None else Withheld(hold.why, min(hold.until, now + _LOOK_AGAIN))

    def _keep_back(self, notice: Notice, withheld: Withheld) -> None:
        how = "cancelled" if withheld.until is None else "silenced" if withheld.silenced else "waiting"
        log.info("A message is not sent.", action=f"notice_{how}", notice=notice.key, why=withheld.reason)
        if how != "waiting":
            self._held(how)

    def _pause(self) -> float:
        if self.waiting == "receivers":
            return POLL  # a worker that gets free wakes the sleeper
        now = self._clock.now()
        times = [at - now for at in (self._next_due, self._targets.next_at()) if at is not None]
        return max(0.01, min(POLL, *times)) if times else POLL

    def _work(self) -> None:
        while (claimed := self._jobs.get()) is not None:
            if not isinstance(claimed, Claimed):
                self._run_errand(claimed)
                continue
            result = None
            try:
                result = self._deliverer.deliver(claimed)
                self._groups.told(claimed, result, self._clock.now())
            except Exception:  # the lease of the notice runs out and it is tried again
                log.exception("A message could not be handled.", action="courier_failed", notice=claimed.notice.key)
            finally:
                self._targets.give_back(claimed.notice.target, result, self._clock.now())
                self._free.release()
                self._wake()

    def _run_errand(self, errand: Callable[[], None]) -> None:
        try:
            errand()
        except Exception as problem:  # it is asked for again
            log.warning("An errand of the courier failed.", action="errand_failed", problem=type(problem).__name__)
        finally:
            self._free.release()

    def _drain(self, workers: Sequence[threading.Thread]) -> None:
        """No worker is waited for without end: what it still holds is owed again when its lease runs out."""
        for _ in workers:
            self._jobs.put(None)
        _join(workers, self._terms.drain)
        if any(worker.is_alive() for worker in workers):
            self._cut()
            _join(workers, min(2.0, self._terms.drain))
        self._ending.set()
        _join(workers, min(1.0, self._terms.drain))
        left = sum(worker.is_alive() for worker in workers)
        if left:
            log.warning("Messages were still on their way when the courier stopped.", action="courier_left", left=left)


def _judged(
    notice: Notice, incident: Incident, others: Sequence[Kept], in_force: Sequence[Silence], now: float
) -> Withheld | None:
    """Why a notice is not sent now: it is cancelled, or put off for a minute at most."""
    try:
        withheld = still_owed(notice, incident, in_force, now, others)
    except Exception:  # when in doubt it is sent
        log.exception("A notice could not be judged.", action="courier_failed", notice=notice.key)
        return None
    if withheld is None or withheld.until is None:
        return withheld
    return replace(withheld, until=min(withheld.until, now + _LOOK_AGAIN))


def _join(threads: Sequence[threading.Thread], seconds: float) -> None:
    ends = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, ends - time.monotonic()))
