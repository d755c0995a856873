"""A registry of metrics whose names start with overloop_ and whose labels cannot grow without bound."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from threading import Lock
from typing import Generic, TypeVar

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase

from monitor.telemetry.exposition import Exposition

PREFIX = "overloop"
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
OTHER = "other"  # the label value of everything beyond the bound
LIMIT = 1000  # label values of one metric

Metric = TypeVar("Metric", bound=MetricWrapperBase)


class Labelled(Generic[Metric]):
    """The children of one metric, kept at hand; at most `limit` of them, then all others share one.

    `known` label values exist from the start, at zero, so that a rate over them sees the first event.
    """

    def __init__(self, metric: Metric, known: Iterable[str | tuple[str, ...]] = (), limit: int = LIMIT) -> None:
        self._metric, self._limit = metric, limit
        self._children: dict[tuple[str, ...], Metric] = {}
        for values in known:
            self(*((values,) if isinstance(values, str) else values))

    def __call__(self, *values: str) -> Metric:
        child = self._children.get(values)
        if child is None:
            if len(self._children) >= self._limit:
                return self._metric.labels(*(OTHER for _ in values))
            child = self._children[values] = self._metric.labels(*values)
        return child


class Registry:
    """Makes metrics and shows them all in the text format of Prometheus."""

    def __init__(self) -> None:
        # "Created" series double every counter and histogram and nothing reads them; the library has one switch.
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
        self.collectors = CollectorRegistry(auto_describe=False)
        self._exposition, self._one_at_a_time = Exposition(self.collectors), Lock()
        self.changed = True  # set by whoever counts something worth showing soon

    def counter(self, name: str, help_: str, labels: Sequence[str] = ()) -> Counter:
        return Counter(name, help_, labels, namespace=PREFIX, registry=self.collectors)

    def gauge(self, name: str, help_: str, labels: Sequence[str] = ()) -> Gauge:
        return Gauge(name, help_, labels, namespace=PREFIX, registry=self.collectors)

    def moment(self, name: str, help_: str) -> Gauge:
        """A point in time; NaN until it is set, so that nothing seems to be as old as 1970."""
        return self.unset(self.gauge(f"{name}_timestamp_seconds", help_))

    @staticmethod
    def unset(gauge: Gauge) -> Gauge:
        gauge.set(float("nan"))
        return gauge

    def histogram(self, name: str, help_: str, buckets: Sequence[float], labels: Sequence[str] = ()) -> Histogram:
        return Histogram(name, help_, labels, namespace=PREFIX, buckets=buckets, registry=self.collectors)

    def exposition(self) -> bytes:
        with self._one_at_a_time:
            return self._exposition.text()
