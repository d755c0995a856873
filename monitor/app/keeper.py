"""What there is once, however many engines there are: people's deadlines, messages, and the event that goes round.

It lives in the first engine and speaks for the models of all.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import structlog

from monitor.app.calls import Calls
from monitor.app.home import secret_key
from monitor.app.housekeeping import sign_head
from monitor.app.telling import tell_receivers
from monitor.core.notices.render import Links
from monitor.delivery.apprise_pool import HelperPool
from monitor.delivery.apprise_sender import Senders
from monitor.delivery.senders import make_senders
from monitor.runtime.canary import Canary
from monitor.runtime.courier import Courier
from monitor.runtime.desk import Desk
from monitor.settings.secrets import addresses
from monitor.signing import KeyFileError
from monitor.store import outbox, queries
from monitor.store.errors import LedgerUnavailable

if TYPE_CHECKING:
    from monitor.app.engine import Engine

log = structlog.get_logger("engine")

GAUGE = 15.0  # seconds between looks at what the ledger holds while nothing happens


class Keeper:
    """Desk, courier and canary; `loops` are to be run, `beats` tell whether they get on."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.database, self.clock = engine, engine.database, engine.clock
        settings = engine.settings
        self.helpers, self.senders = HelperPool(), Senders()
        self.desk = Desk(
            self.database,
            self.clock,
            engine.policy,
            engine.book,
            settings.url,
            partition_of=engine.partition_of,
            told=partial(engine.wake, "courier", *engine.all_pumps),
            partitions=settings.partitions,
        )
        self.calls = Calls(self.desk, self.clock, secret_key(engine.home), settings.url, partial(engine.wake, "desk"))
        self.canary = Canary(
            engine.home.path,
            self.database,
            self.clock,
            settings.partitions,
            partial(engine.wake, "courier"),
            self._came_round,
        )
        self.rounded: tuple[float, float] | None = None  # the last event that came round: seconds it took, and when
        self.courier: Courier | None = None  # once its receivers' addresses are checked
        self._turns = 0  # of the desk

    @property
    def loops(self) -> dict[str, Callable[[], None]]:
        return {"desk": self._deadlines, "courier": self._couriering}

    @property
    def beats(self) -> dict[str, int]:
        return {"desk": self._turns, **({} if self.courier is None else {"courier": self.courier.turns})}

    def close(self) -> None:
        """Once its loops have ended."""
        with suppress(LedgerUnavailable, KeyFileError):
            sign_head(self.engine)
        self.helpers.close()

    def _came_round(self, seconds: float, at: float) -> None:
        self.rounded = seconds, at
        self.engine.metrics.house.roundtrip(seconds)

    # -- loops --------------------------------------------------------------------------------------------------

    def _deadlines(self) -> None:
        gauged, sleeper = float("-inf"), self.engine.sleepers["desk"]
        while not self.engine.stopping.is_set():
            try:
                due = self.desk.deadlines(self.clock.now())
                if time.monotonic() - gauged > GAUGE:
                    self._gauge()
                    gauged = time.monotonic()
            except LedgerUnavailable as problem:
                self.engine.metrics.house.audit_write_failed()
                log.warning(str(problem), action="waiting_ledger")
                due = None
            self._turns += 1
            pause = 5.0 if due is None else min(5.0, max(0.05, due - self.clock.now()))
            if sleeper.wait(pause):
                gauged = float("-inf")  # something has changed

    def _couriering(self) -> None:
        found, engine = addresses(self.engine.settings, os.environ), self.engine
        if found:
            self.senders = make_senders(found, self.helpers)
        tell_receivers(self.senders)
        self.courier = Courier(
            self.database,
            self.senders.all,
            self.clock,
            links=Links(engine.settings.url),
            wake=partial(engine.wake, "courier"),
            told=engine.telling.delivered,
            held=engine.metrics.notices.suppressed,
            cut=self.helpers.close,
            labels=self.calls.labels,
            grouping=self.calls.group,
            holding=self.calls.held,
            broke=self.calls.broke,
            works=self.calls.works,
            ack=self.calls.link,
            errand=self.canary.errand,
        )
        self.courier.run(engine.stopping, engine.sleepers["courier"])

    def _gauge(self) -> None:
        """Numbers that the ledger holds, refreshed with the desk's turns and never with a step."""
        with self.database.read() as connection:
            counts = outbox.counts(connection)
            oldest = outbox.oldest_pending(connection)
            by_state = queries.incident_counts(connection)
            unhandled = sum(n for (state, _), n in by_state.items() if state in ("open", "acknowledged"))
            shown = queries.incidents(connection, ["open", "acknowledged"], limit=200)[0] if unhandled else []
            silences = queries.silences(connection)
        self.engine.telling.ledger(counts, oldest, by_state)
        self.engine.telling.alerts(shown, silences)
