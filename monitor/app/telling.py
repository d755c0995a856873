"""What the engine does becomes numbers and log lines here, and nowhere else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import structlog

from monitor.clock import Clock
from monitor.core.changes import Silence
from monitor.core.findings import Level
from monitor.core.incidents.model import Incident
from monitor.core.incidents.silences import status
from monitor.core.step import BANK_FULL, NO_ANOMALY
from monitor.delivery.apprise_sender import Senders
from monitor.runtime.courier import Delivery
from monitor.runtime.pace import TICK, Done, Holding
from monitor.runtime.seen import BROKEN
from monitor.telemetry.engine import EngineMetrics

log = structlog.get_logger("engine")

UNFINISHED = ("pending", "sending", "retry", "unknown")  # notices


def tell_receivers(senders: Senders) -> None:
    """Which receivers cannot be used, and which nobody could look at."""
    for name, sentence in senders.problems.items():
        log.error(sentence, action="receiver_unusable", receiver=name)
    for name, sentence in senders.unchecked.items():
        log.warning(sentence, action="receiver_unchecked", receiver=name)


class Telling:
    """Called by the loops after what they did; `wake` is called when people may be owed something."""

    def __init__(
        self, metrics: EngineMetrics, wake: Callable[[], None], clock: Clock, kinds: Mapping[str, str] | None = None
    ) -> None:
        """`kinds` are those of the receivers: by what each is sent to."""
        self.metrics, self.wake, self.clock, self._kinds = metrics, wake, clock, kinds or {}
        self._last_step: dict[int, float] = {}
        self._refused: dict[int, int] = {}
        self._book: str | None = None
        self._holdings: dict[int, Holding] = {}  # of each partition, when it last looked

    def done(self, done: Done) -> None:
        """A step was committed."""
        step, observation, changes, count = done.step, done.observation, done.changes, self.metrics.pump
        if changes:
            self.wake()
        broken = [f for f in observation.findings if f.evidence.statistic == BROKEN]
        count.step(done.seconds, done.events, step.at, done.last_events)
        count.evaluated(len(observation.levels), done.deciding, step.at, len(broken))
        count.quarantined(done.quarantined)
        for rule, series in _series(observation.levels).items():
            count.series_seen(rule, series)
        for finding in observation.findings:
            count.finding(finding.rule)
        for finding in broken:
            log.error(finding.evidence.detail, action="detector_disabled", rule=finding.rule, model=finding.model)
        if step.book != self._book:  # the first step of this process, or one that changed the rules
            self._book = step.book
            self.metrics.house.reloaded(True, step.at, step.book)
        self._missed(done)
        self._holding(done)
        self._set_aside(done)
        for incident in changes.incidents.values():
            if incident.changed_at == step.at:  # else there is only more evidence
                self._incident(incident)

    @property
    def failed(self) -> int | None:
        """Detectors that are switched off because they failed; None before anybody has counted them."""
        return sum(held.failed for held in self._holdings.values()) if self._holdings else None

    def saved(self, seconds: float) -> None:
        """Snapshots were written."""
        self.metrics.pump.snapshot(seconds, self.clock.now())

    def delivered(self, delivery: Delivery) -> None:
        """A message was sent, or not."""
        by = self._kinds.get(delivery.target, "apprise")
        self.metrics.notices.attempt(by, delivery.target, delivery.outcome, delivery.seconds, delivery.reason)

    def ledger(
        self, notices: Mapping[str, int], oldest: float | None, incidents: Mapping[tuple[str, str], int]
    ) -> None:
        """What the ledger holds now: notices by state, the oldest one owed, incidents by state and severity."""
        self.metrics.notices.outbox(sum(notices.get(state, 0) for state in UNFINISHED), oldest)
        open_, held = (sum(n for (s, _), n in incidents.items() if s == state) for state in ("open", "acknowledged"))
        self.metrics.alerts.now({"firing": open_, "acknowledged": held}, open_)

    def alerts(self, incidents: Sequence[Mapping[str, Any]], silences: Sequence[Silence]) -> None:
        """Incidents that nobody has closed, and every silence there is, as Prometheus's own tools know them."""
        self.metrics.alerts.series((f"{i['pack']}/{i['rule']}", i["model"], i["severity"], "firing") for i in incidents)
        now = self.clock.now()
        states = [status(silence, now) for silence in silences]
        self.metrics.alerts.silences(states.count("pending"), states.count("active"), states.count("expired"))

    def _missed(self, done: Done) -> None:
        """Ticks that were due between two steps and never placed."""
        partition, at = done.step.partition, done.step.at
        last = self._last_step.get(partition, at)
        self._last_step[partition] = at
        for _ in range(min(1000, int(at // TICK - last // TICK) - 1)):
            self.metrics.pump.tick_missed()

    def _holding(self, done: Done) -> None:
        if done.holding is None:
            return
        partition, unwatched = done.step.partition, done.holding.unwatched
        refused = unwatched - self._refused.get(partition, unwatched)
        self._refused[partition] = unwatched
        self._holdings[partition] = done.holding
        held = [*self._holdings.values()]
        self.metrics.pump.bank(
            sum(one.bytes for one in held), sum(one.room for one in held), refused, sum(one.failed for one in held)
        )
        full = [f for f in done.observation.findings if f.rule == BANK_FULL]
        if refused or full:
            sentence = full[0].evidence.detail if full else "The bank is full: new models are not watched."
            log.error(sentence, action="bank_full", partition=partition, refused=refused)

    def _set_aside(self, done: Done) -> None:
        for finding in done.observation.findings:
            if finding.rule == NO_ANOMALY:
                log.warning(finding.evidence.detail, action="anomaly_unwatched", partition=done.step.partition)

    def _incident(self, incident: Incident) -> None:
        if incident.state == "open":
            self.metrics.alerts.fired(incident.key)
        log.info(
            incident.summary,
            action=f"incident_{incident.state}",
            incident=incident.id,
            rule=incident.key,
            model=incident.model,
            severity=incident.severity,
            stage=incident.stage,
        )


def _series(levels: Iterable[Level]) -> Counter[str]:
    """How many segments of all models each rule has just judged."""
    seen: Counter[str] = Counter()
    for level in levels:
        seen[level.rule] += len(level.segments)
    return seen
