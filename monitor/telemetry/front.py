"""What the front counts: events and posts, requests, what people did; and the daemon's totals from spool and ledger."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client import Info, ProcessCollector
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

import monitor
from monitor.telemetry.registry import CONTENT_TYPE, PREFIX, Labelled, Registry

ACKNOWLEDGING = (15.0, 60.0, 300.0, 600.0, 1800.0, 3600.0, 14_400.0)
ANSWERING = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
KINDS = ("disregard", "not_use", "override", "reverse")
SOURCES = ("http", "file")
Accounting = Callable[[], Mapping[str, int | float]]


class FrontMetrics:
    """One for each front process.

    `accounting` answers the numbers of GET /v1/accounting and `audit_records`; it must answer at once, from memory.
    `engines` answers the exposition of the engines, and whether every one of them has spoken lately.
    """

    def __init__(
        self,
        accounting: Accounting = dict,
        engines: Callable[[], tuple[bytes, bool]] = lambda: (b"", False),
        sources: Iterable[str] = SOURCES,
        reasons: Iterable[str] = (),
    ) -> None:
        self._engines = engines
        self._registry = r = Registry()
        ProcessCollector(registry=r.collectors)
        about = {"version": monitor.__version__, "python": platform.python_version()}
        Info("build", "What is running.", namespace=PREFIX, registry=r.collectors).info(about)
        self._received = Labelled(r.counter("events_received", "Events in posts, by way in.", ["source"]), sources)
        self._invalid = Labelled(r.counter("events_invalid", "Events rejected, by reason.", ["reason"]), reasons, 100)
        self._dropped = Labelled(
            r.counter("events_dropped", "Events turned away with their whole post.", ["reason"]), ["full"], 100
        )
        self._queue = r.gauge("ingest_queue_length", "Posts waiting for the disk.")
        self._capacity = r.gauge("ingest_queue_capacity", "Posts that may wait for the disk.")
        self._answered = Labelled(
            r.histogram("http_request_duration_seconds", "Requests, by route and status.", ANSWERING, ["route", "code"])
        )
        self._acknowledged = r.histogram(
            "alert_ack_duration_seconds", "From an incident's opening to its acknowledgement.", ACKNOWLEDGING
        )
        self._overrides = Labelled(r.counter("overrides", "Answers of models that people set aside.", ["kind"]), KINDS)
        self._feedback = Labelled(r.counter("alert_feedback", "Verdicts on incidents.", ["rule", "reason"]))
        self._up = r.gauge("engine_up", "1 if every engine has spoken within the last minute.")
        r.collectors.register(_Totals(accounting))

    def received(self, source: str, events: int) -> None:
        self._received(source).inc(events)

    def invalid(self, reason: str, events: int = 1) -> None:
        self._invalid(reason).inc(events)

    def dropped(self, reason: str, events: int = 1) -> None:
        self._dropped(reason).inc(events)

    def queue(self, length: int, capacity: int) -> None:
        self._queue.set(length)
        self._capacity.set(capacity)

    def answered(self, route: str, code: int, seconds: float) -> None:
        """`route` is the pattern, never the path: paths hold ids."""
        self._answered(route, str(code)).observe(seconds)

    def acknowledged(self, after_seconds: float) -> None:
        self._acknowledged.observe(max(0.0, after_seconds))

    def override(self, verb: str) -> None:
        self._overrides(verb).inc()

    def feedback(self, rule: str, verdict: str) -> None:
        self._feedback(rule, verdict).inc()

    def exposition(self, accept: str = "") -> tuple[bytes, str]:
        """All metrics of the daemon and their content type. One format for all: every scraper takes it."""
        text, heard = self._engines()
        self._up.set(heard)
        return self._registry.exposition() + text, CONTENT_TYPE


class _Totals(Collector):
    """Totals kept by spool and ledger: unlike counters they go on after a restart."""

    def __init__(self, accounting: Accounting) -> None:
        self._accounting = accounting

    def collect(self) -> Iterator[Metric]:
        numbers = dict(self._accounting())
        audit = numbers.pop("audit_records", 0)
        yield CounterMetricFamily(f"{PREFIX}_audit_records", "Entries of the audit log.", value=audit)
        refused = numbers.pop("refused", 0)
        yield CounterMetricFamily(f"{PREFIX}_posts_refused", "Posts turned away as a whole.", value=refused)
        states = ("received", "accepted", "rejected", "duplicates", "observed", "waiting", "quarantined")
        family = GaugeMetricFamily(
            f"{PREFIX}_accounted_events", "Where every event ever received is now.", labels=["state"]
        )
        for state in states:
            family.add_metric([state], numbers.get(state, 0))
        yield family
