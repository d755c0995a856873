"""What is wrong now, and who is told: incidents by state, silences, notices and their ways."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from monitor.telemetry.registry import Labelled, Registry

State = Literal["pending", "firing", "acknowledged", "suppressed"]
STATES: tuple[State, ...] = ("pending", "firing", "acknowledged", "suppressed")
FAILURES = ("authError", "clientError", "connection", "other", "rateLimited", "serverError", "timeout")
SENDING = (0.1, 0.5, 1.0, 5.0, 10.0, 15.0, 20.0, 30.0, 60.0)
SHOWN = 1000  # alerts in the series ALERTS


class AlertMetrics:
    """Alerts are Prometheus's word for incidents and for conditions that wait for their `for`."""

    def __init__(self, registry: Registry, house: Registry | None = None) -> None:
        """What the ledger holds goes to `house`."""
        self._registry = registry
        self._fired = Labelled(registry.counter("alerts_fired", "Incidents opened or opened again.", ["rule"]))
        r = house or registry
        self._alerts = Labelled(r.gauge("alerts", "Alerts by state.", ["state"]), STATES)
        self._unacknowledged = r.gauge("alerts_unacknowledged", "Open incidents that nobody has taken.")
        self._silences = Labelled(
            r.gauge("silences", "Silences by state.", ["state"]), ("active", "expired", "pending")
        )
        self._series = _AlertSeries()
        r.collectors.register(self._series)

    def now(self, states: Mapping[State, int], unacknowledged: int) -> None:
        """How many there are in each state, all of them at once."""
        self._registry.changed = True
        for state in STATES:
            self._alerts(state).set(states.get(state, 0))
        self._unacknowledged.set(unacknowledged)

    def series(self, alerts: Iterable[tuple[str, str, str, Literal["pending", "firing"]]]) -> None:
        """Each as (rule, model, severity, state): the series ALERTS, which Prometheus's own tools read."""
        self._series.alerts = tuple(dict.fromkeys(alerts))[:SHOWN]

    def fired(self, rule: str) -> None:
        self._fired(rule).inc()

    def silences(self, pending: int, active: int, expired: int) -> None:
        for state, count in (("pending", pending), ("active", active), ("expired", expired)):
            self._silences(state).set(count)


class NoticeMetrics:
    """What became of each attempt to deliver. Receivers that are known (name -> integration) count from zero, so that a
    rise is seen.
    """

    def __init__(self, registry: Registry, receivers: Mapping[str, str]) -> None:
        self._registry = r = registry
        pairs = [(integration, receiver) for receiver, integration in receivers.items()]
        target = ("integration", "receiver")
        self._attempts = Labelled(r.counter("notifications", "Attempts to deliver a notice.", target), pairs)
        self._failed = Labelled(
            r.counter("notifications_failed", "Attempts that failed.", (*target, "reason")),
            [(*pair, reason) for pair in pairs for reason in FAILURES],
        )
        self._unknown = Labelled(
            r.counter(
                "notifications_unknown", "Attempts that nobody knows the outcome of: they may have arrived.", target
            ),
            pairs,
        )
        self._suppressed = Labelled(
            r.counter("notifications_suppressed", "Notices not sent.", ["reason"]), ("cancelled", "silenced")
        )
        self._latency = Labelled(
            r.histogram("notification_latency_seconds", "One attempt to deliver.", SENDING, ["integration"]),
            sorted(set(receivers.values())),
        )
        self._pending = r.gauge("outbox_pending", "Notices owed and not yet delivered.")
        self._oldest = r.moment("outbox_oldest_pending", "When the oldest notice still owed was made.")

    def attempt(self, integration: str, receiver: str, outcome: str, seconds: float, reason: str | None = None) -> None:
        """One attempt ended: `outcome` is delivered, retry, dead or unknown; `reason` is why it failed."""
        self._registry.changed = True
        self._attempts(integration, receiver).inc()
        self._latency(integration).observe(seconds)
        if outcome == "unknown":
            self._unknown(integration, receiver).inc()
        elif outcome != "delivered":
            self._failed(integration, receiver, reason if reason in FAILURES else "other").inc()

    def suppressed(self, reason: str, count: int = 1) -> None:
        self._suppressed(reason).inc(count)

    def outbox(self, pending: int, oldest: float | None) -> None:
        """Notices owed, and when the oldest of them was made."""
        self._registry.changed = True
        self._pending.set(pending)
        self._oldest.set(math.nan if oldest is None else oldest)


class _AlertSeries(Collector):
    """ALERTS as Prometheus itself would make it for its own rules."""

    alerts: tuple[tuple[str, str, str, str], ...] = ()

    def collect(self) -> Iterator[Metric]:
        labels = ["alertname", "model", "severity", "alertstate"]
        family = GaugeMetricFamily("ALERTS", "One series for each alert that is pending or firing.", labels=labels)
        for alert in self.alerts:
            family.add_metric(alert, 1.0)
        yield family
