from __future__ import annotations

import json
from typing import Any

import numpy as np
from window_batches import BASE, make_batch, make_rule

from monitor.core.findings import NO, YES
from monitor.core.rules.evaluate_absent import AbsentWatcher
from monitor.core.rules.model import Absent
from monitor.core.watcher import Mark

X = "inputs.x"


def watch(**form: Any) -> AbsentWatcher:
    rule = make_rule(Absent(60.0, **form))
    assert isinstance(rule.form, Absent)
    return AbsentWatcher(rule, rule.form, "m")


def feed(watcher: AbsentWatcher, when: float, columns: dict[str, list[Any]] | None = None, **more: Any) -> None:
    batch = make_batch([BASE + when], columns or {X: [1.0]}, **more)
    watcher.observe(batch, batch.recorded_at)


def silence(watcher: AbsentWatcher, at: float) -> dict[str, float]:
    level = watcher.assess(BASE + at)
    assert level is not None
    assert level.holds.tolist() == [YES if value >= 60.0 else NO for value in level.value]
    return dict(zip(level.segments, level.value.tolist(), strict=True))


def test_silence_is_counted_from_the_last_event() -> None:
    watcher = watch()
    feed(watcher, 0.0)
    feed(watcher, 30.0)
    level = watcher.assess(BASE + 89.0)
    assert level is not None
    assert (level.holds[0], level.value[0], level.expected[0], level.n[0]) == (NO, 59.0, 60.0, 2)
    level = watcher.assess(BASE + 120.0)
    assert level is not None
    assert (level.holds[0], level.effect[0]) == (YES, 1.5)
    feed(watcher, 121.0)
    assert silence(watcher, 121.0) == {"": 0.0}


def test_a_model_that_was_never_seen_is_silent_from_the_beginning_of_the_watch() -> None:
    watcher = watch(expect=("m",))
    assert silence(watcher, 0.0) == {"": 0.0}
    assert silence(watcher, 60.0) == {"": 60.0}


def test_a_segment_is_missed_once_it_was_seen() -> None:
    watcher = watch(by=("inputs.g",))
    assert silence(watcher, 0.0) == {}
    feed(watcher, 10.0, {"inputs.g": ["a"]})
    feed(watcher, 50.0, {"inputs.g": ["b"]})
    assert silence(watcher, 75.0) == {"inputs.g=a": 65.0, "inputs.g=b": 25.0}


def test_a_column_is_missed_also_in_a_segment_that_never_had_it() -> None:
    watcher = watch(column=X, by=("inputs.g",))
    feed(watcher, 0.0, {"inputs.g": ["a"], X: [1.0]})
    feed(watcher, 10.0, {"inputs.g": ["b"], X: [None]})
    feed(watcher, 50.0, {"inputs.g": ["b"]})
    feed(watcher, 50.0, {"inputs.g": ["a"], X: ["text"]})
    assert silence(watcher, 70.0) == {"inputs.g=a": 20.0, "inputs.g=b": 60.0}


def test_the_label_feed_is_heard_by_truth_that_comes_later_and_with_events() -> None:
    watcher = watch(truth=True)
    feed(watcher, 0.0)
    assert silence(watcher, 50.0) == {"": 50.0}
    feed(watcher, 50.0, {"truth.label": ["x"]})
    feed(watcher, 55.0, {"truth.label": [None]})
    assert silence(watcher, 60.0) == {"": 10.0}
    feed(watcher, 60.0, {"truth.label": ["x"]}, truth=True)
    assert silence(watcher, 60.0) == {"": 0.0}


def test_old_events_of_a_file_are_no_sign_of_life() -> None:
    watcher = watch()
    feed(watcher, 0.0)
    feed(watcher, 70.0, at=np.array([BASE - 86400.0]), live=False, event_time=True)
    assert silence(watcher, 70.0) == {"": 70.0}
    feed(watcher, 70.0, at=np.array([BASE + 60.0]), live=False, event_time=True)
    feed(watcher, 80.0, at=np.array([BASE - 86400.0]))
    assert silence(watcher, 81.0) == {"": 1.0}


def test_time_in_a_gap_does_not_count() -> None:
    watcher = watch()
    feed(watcher, 0.0)
    watcher.apply(Mark("gap", BASE + 1030.0, body={"from": BASE + 30.0, "to": BASE + 1030.0}))
    assert silence(watcher, 1050.0) == {"": 50.0}
    feed(watcher, 500.0)  # came while nobody watched: its silence begins at the end of the gap
    assert silence(watcher, 1050.0) == {"": 20.0}
    feed(watcher, 1045.0)
    assert silence(watcher, 1050.0) == {"": 5.0}


def test_an_event_from_before_a_gap_that_is_read_after_it_is_moved_too() -> None:
    watcher = watch()
    feed(watcher, 0.0)
    watcher.apply(Mark("gap", BASE + 130.0, body={"from": BASE + 30.0, "to": BASE + 130.0}))
    feed(watcher, 20.0)
    assert silence(watcher, 150.0) == {"": 30.0}


def test_a_description_says_who_was_silent_longest_and_is_json() -> None:
    watcher = watch(by=("inputs.g",))
    for i in range(7):
        feed(watcher, float(i), {"inputs.g": [str(i)]})
    watcher.assess(BASE + 60.0)
    described = json.loads(json.dumps(watcher.describe(), allow_nan=False))
    assert [row["segment"] for row in described["worst"]] == [f"inputs.g={i}" for i in range(5)]
    assert described["worst"][0]["ratio"] == 1.0
    assert described["of"] == "events"
