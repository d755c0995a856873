"""The exposition is the library's to the byte, and quick where there are many series."""

from __future__ import annotations

import time
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, generate_latest

from monitor.telemetry.exposition import Exposition
from monitor.telemetry.registry import Registry

labels = st.text(max_size=5) | st.sampled_from(['a "b"', "a\nb", "back\\slash", "a b", "#", "é", "\u2028"])
numbers = (st.floats(width=64) | st.integers(0, 10**12).map(float)).map(lambda n: n + 0.0)  # 0 and -0 are one


def registry() -> tuple[CollectorRegistry, dict[str, Any]]:
    made = Registry().collectors
    metrics: dict[str, Any] = {
        "counter": Counter("c", "Counts\nin lines, with a \\.", ["b", "a"], registry=made),
        "gauge": Gauge("g", "Moves.", ["x"], registry=made),
        "histogram": Histogram("h", "Spreads.", ["x"], registry=made, buckets=(0.5, 1, 1e7)),
        "below": Histogram("below", "Spreads below zero, too.", registry=made, buckets=(-1, 1)),
        "plain": Counter("plain", "No labels.", registry=made),
        "info": Info("i", "Words.", registry=made),
    }
    metrics["called"] = Gauge("called", "Asks.", registry=made)
    metrics["called"].set_function(lambda: 4.5)
    return made, metrics


step = st.one_of(
    st.tuples(st.just("counter"), labels, numbers.filter(lambda n: n >= 0)),
    st.tuples(st.sampled_from(["gauge", "histogram", "below", "plain", "info", "clear", "remove"]), labels, numbers),
)


@settings(deadline=None)
@given(st.lists(st.lists(step, max_size=5), max_size=5))
def test_it_is_what_the_library_writes_whatever_happened_in_between(rounds: list[list[tuple[str, str, float]]]) -> None:
    made, metrics = registry()
    exposition = Exposition(made)
    for steps in rounds:
        for what, label, value in steps:
            match what:
                case "counter":
                    metrics[what].labels(label, "é").inc(value)
                case "gauge":
                    metrics[what].labels(label).set(value)
                case "histogram":
                    metrics[what].labels(label).observe(value)
                case "below":
                    metrics[what].observe(value)
                case "plain":
                    metrics[what].inc()
                case "info":
                    metrics[what].info({"word": label})
                case "clear":
                    metrics["gauge"].clear()
                case "remove":
                    metrics["gauge"].labels(label)
                    metrics["gauge"].remove(label)
        assert exposition.text() == generate_latest(made)


def test_ten_thousand_series_take_far_less_time_than_the_library_does() -> None:
    made = Registry().collectors
    counters = [Counter(f"c{n}", "Counts.", ["model"], registry=made) for n in range(10)]
    children = [counter.labels(f"model-{n}") for counter in counters for n in range(1_000)]
    exposition = Exposition(made)
    took = {"ours": float("inf"), "library": float("inf")}
    for _ in range(3):
        for child in children:
            child.inc(1.5)
        began = time.thread_time()
        ours = exposition.text()
        between = time.thread_time()
        assert ours == generate_latest(made)
        took["ours"] = min(took["ours"], between - began)
        took["library"] = min(took["library"], time.thread_time() - between)
    assert took["ours"] < took["library"] / 3, took
