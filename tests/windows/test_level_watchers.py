from __future__ import annotations

import json
from typing import Any

import pytest
from window_batches import BASE, make_batch, make_rule, windowed

from monitor.core.findings import NO, UNKNOWN, YES, Level
from monitor.core.rules.evaluate import window_watcher
from monitor.core.rules.evaluate_level import LevelWatcher
from monitor.core.rules.evaluate_limit import MOST
from monitor.core.rules.model import Detect
from monitor.core.state import StateError
from monitor.core.watcher import Mark


def watch(kind: Any, of: str, **more: Any) -> LevelWatcher:
    watcher = window_watcher(make_rule(windowed(kind, of, **more)), "m")
    assert isinstance(watcher, LevelWatcher)
    return watcher


def feed(watcher: LevelWatcher, at: float, n: int, columns: dict[str, Any], version: str | None = None) -> None:
    """`n` equal events `at` seconds after the beginning."""
    batch = make_batch([BASE + at] * n, {path: [v] * n for path, v in columns.items()}, versions=[version] * n)
    assert watcher.observe(batch, batch.recorded_at) == []


def level(watcher: LevelWatcher, at: float) -> Level:
    found = watcher.assess(BASE + at)
    assert found is not None
    return found


def holds(watcher: LevelWatcher, at: float) -> list[int]:
    return level(watcher, at).holds.tolist()


X = "inputs.x"


def share_of(watcher: LevelWatcher, at: float, percent: int) -> int:
    feed(watcher, at, percent, {X: -1.0})
    feed(watcher, at, 100 - percent, {X: 1.0})
    return int(holds(watcher, at)[0])


def test_a_share_that_held_holds_until_it_falls_below_its_clear_level() -> None:
    watcher = watch("share", "inputs.x < 0", above=0.05, clear=0.03)
    seen = [share_of(watcher, 1000.0 * turn, percent) for turn, percent in enumerate([4, 6, 4, 3, 2, 4])]
    assert seen == [NO, YES, YES, YES, NO, NO]


def test_no_data_neither_trips_nor_clears() -> None:
    watcher = watch("share", "inputs.x < 0", above=0.05, clear=0.03)
    assert share_of(watcher, 0.0, 6) == YES
    assert holds(watcher, 500.0) == [UNKNOWN]
    assert share_of(watcher, 1000.0, 4) == YES


def test_a_rearm_forgets_that_the_condition_held_in_the_segment_it_names() -> None:
    watcher = watch("share", "inputs.x < 0", above=0.05, clear=0.03, by=("inputs.g",))
    for g in "ab":
        feed(watcher, 0.0, 6, {X: -1.0, "inputs.g": g})
        feed(watcher, 0.0, 94, {X: 1.0, "inputs.g": g})
    assert holds(watcher, 0.0) == [YES, YES]
    for g in "ab":
        feed(watcher, 1.0, 50, {X: 1.0, "inputs.g": g})
    watcher.apply(Mark("rearm", BASE + 1, "m", "pack/Rule", segment="inputs.g=b"))
    assert holds(watcher, 1.0) == [YES, NO]
    watcher.apply(Mark("rearm", BASE + 1, "m", "pack/Rule"))
    assert holds(watcher, 1.0) == [NO, NO]


def test_a_share_counts_known_rows_only_and_shows_the_unknown() -> None:
    watcher = watch("share", "inputs.x < 0", above=0.4, min_events=4)
    feed(watcher, 0.0, 2, {X: -1.0})
    feed(watcher, 0.0, 1, {X: 1.0})
    feed(watcher, 0.0, 7, {X: None})
    assert holds(watcher, 0.0) == [UNKNOWN]
    feed(watcher, 0.0, 1, {X: 1.0})
    found = level(watcher, 0.0)
    assert (found.holds[0], found.value[0], found.expected[0], found.n[0]) == (YES, 0.5, 0.4, 4)
    assert found.effect[0] == pytest.approx(1.25)
    assert watcher.describe()["worst"][0]["unknown"] == 7


def test_a_column_that_no_event_has_leaves_the_rule_unknown() -> None:
    watcher = watch("count", "inputs.y < 0", below=3)
    feed(watcher, 0.0, 5, {X: 1.0})
    feed(watcher, 59.0, 5, {X: 1.0})
    assert holds(watcher, 60.0) == [UNKNOWN]


def test_an_empty_window_is_unknown_above_and_zero_below_a_limit() -> None:
    above, below = watch("count", "inputs.x < 0", above=3), watch("measure", "rate()", below=0.5)
    for watcher in (above, below):
        feed(watcher, 0.0, 100, {X: 1.0})
    assert holds(above, 0.0) == [NO]
    assert holds(above, 100.0) == [UNKNOWN]
    assert holds(below, 59.0) == [UNKNOWN]  # the window is not whole yet
    assert holds(below, 100.0) == [YES]


def test_a_model_that_never_came_is_below_its_rate_after_one_window() -> None:
    watcher = watch("measure", "rate()", below=0.5)
    assert holds(watcher, 0.0) == [UNKNOWN]
    assert holds(watcher, 60.0) == [YES]


def test_after_a_gap_the_window_must_fill_again_but_a_restart_of_a_moment_changes_nothing() -> None:
    watcher = watch("measure", "rate()", below=0.5)
    feed(watcher, 0.0, 1, {X: 1.0})
    assert holds(watcher, 70.0) == [YES]
    watcher.apply(Mark("gap", BASE + 71.0, body={"from": BASE + 70.0, "to": BASE + 71.0}))
    assert holds(watcher, 71.0) == [YES]
    watcher.apply(Mark("gap", BASE + 500.0, body={"from": BASE + 71.0, "to": BASE + 500.0}))
    assert holds(watcher, 500.0) == [UNKNOWN]
    assert holds(watcher, 559.0) == [UNKNOWN]
    assert holds(watcher, 560.0) == [YES]


def test_parity_compares_each_segment_with_the_best_that_has_enough_rows() -> None:
    watcher = watch("parity", "inputs.x < 0", below=0.8, by=("inputs.g",), min_events=30)
    for g, yes, no in (("f", 30, 70), ("m", 50, 50), ("x", 5, 0), (None, 99, 1)):
        feed(watcher, 0.0, yes, {X: -1.0, "inputs.g": g})
        feed(watcher, 0.0, no, {X: 1.0, "inputs.g": g})
    found = level(watcher, 0.0)
    assert found.segments == ("inputs.g=f", "inputs.g=m", "inputs.g=x", "inputs.g=(missing)")
    assert found.holds.tolist() == [YES, NO, UNKNOWN, UNKNOWN]
    assert found.value[:2].tolist() == pytest.approx([0.6, 1.0])
    assert found.effect[0] == pytest.approx(0.8 / 0.6)
    assert found.n.tolist() == [100, 100, 5, 0]


def test_parity_of_one_segment_is_unknown_and_of_equal_zero_rates_is_kept() -> None:
    watcher = watch("parity", "inputs.x < 0", below=0.8, by=("inputs.g",))
    feed(watcher, 0.0, 5, {X: 1.0, "inputs.g": "a"})
    assert holds(watcher, 0.0) == [UNKNOWN]
    feed(watcher, 0.0, 5, {X: 1.0, "inputs.g": "b"})
    assert holds(watcher, 0.0) == [NO, NO]
    assert level(watcher, 0.0).value.tolist() == [1.0, 1.0]


def test_parity_above_compares_with_the_lowest_rate() -> None:
    watcher = watch("parity", "inputs.x < 0", above=1.25, by=("inputs.g",))
    for g, errors in (("a", 10), ("b", 20)):
        feed(watcher, 0.0, errors, {X: -1.0, "inputs.g": g})
        feed(watcher, 0.0, 100 - errors, {X: 1.0, "inputs.g": g})
    assert holds(watcher, 0.0) == [NO, YES]
    assert level(watcher, 0.0).value.tolist() == pytest.approx([1.0, 2.0])


def test_a_new_version_is_compared_with_the_one_before_and_one_version_alone_is_unknown() -> None:
    watcher = watch("compare", "mean(inputs.x)", above=0.1, against="previous_version", min_events=5)
    feed(watcher, 0.0, 10, {X: 1.0}, "1")
    assert holds(watcher, 0.0) == [UNKNOWN]
    feed(watcher, 1.0, 10, {X: 1.2}, "2")
    feed(watcher, 1.0, 10, {X: 1.0}, "1")  # the old one goes on beside it and does not become the newest
    feed(watcher, 1.0, 10, {X: 99.0})
    found = level(watcher, 1.0)
    assert (found.version, found.holds[0], found.n[0]) == ("2", YES, 10)
    assert (found.value[0], found.expected[0], found.effect[0]) == pytest.approx((1.2, 1.0, 2.0))
    feed(watcher, 2.0, 10, {X: 1.25}, "3")
    assert holds(watcher, 2.0) == [NO]  # 3 against 2


def test_a_flood_of_versions_is_remembered_only_so_far() -> None:
    watcher = watch("compare", "mean(inputs.x)", above=0.1, against="previous_version")
    versions: list[str | None] = [f"v{i}" for i in range(300)]
    batch = make_batch([BASE] * 300, {X: [1.0] * 300}, versions=versions)
    watcher.observe(batch, batch.recorded_at)
    assert level(watcher, 0.0).version == "v299"
    assert len(watcher.save()["versions"]["numbers"]) == 64
    assert len(watcher.gauge.windows()) == 2
    feed(watcher, 0.0, 1, {X: 1.0}, "v0")  # long forgotten: it counts as new
    assert level(watcher, 0.0).version == "v0"


def test_a_change_from_zero_is_the_largest_and_a_fall_may_be_written_with_or_without_its_sign() -> None:
    rise = watch("compare", "mean(inputs.x)", above=0.1, against="previous_version")
    feed(rise, 0.0, 10, {X: 0.0}, "1")
    feed(rise, 0.0, 10, {X: 1.0}, "2")
    assert holds(rise, 0.0) == [YES]
    assert level(rise, 0.0).effect[0] == MOST
    for limit in (0.1, -0.1):
        fall = watch("compare", "mean(inputs.x)", below=limit, against="previous_version")
        feed(fall, 0.0, 10, {X: 10.0}, "1")
        feed(fall, 0.0, 10, {X: 8.0}, "2")
        assert holds(fall, 0.0) == [YES]
        feed(fall, 0.0, 90, {X: 9.6}, "2")
        assert holds(fall, 0.0) == [NO]


def test_traffic_is_compared_with_the_period_before_also_when_it_stops() -> None:
    watcher = watch("compare", "rate()", below=0.5, against="previous_period")
    for second in range(130):
        feed(watcher, float(second), 2, {X: 1.0})
    assert holds(watcher, 119.0) == [UNKNOWN]
    assert holds(watcher, 130.0) == [NO]
    found = level(watcher, 190.0)
    assert (found.holds[0], found.value[0]) == (YES, 0.0)
    assert found.expected[0] == pytest.approx(2.0)


def test_rows_older_than_the_window_are_ignored_and_counted() -> None:
    watcher = watch("measure", "sum(inputs.x)", above=10.0)
    feed(watcher, 1000.0, 1, {X: 1.0})
    feed(watcher, 0.0, 3, {X: 100.0})
    assert level(watcher, 1000.0).value[0] == 1.0
    assert watcher.describe()["late"] == 3


def test_a_description_says_how_near_the_worst_segments_are_and_is_json() -> None:
    watcher = watch("measure", "mean(inputs.x)", above=10.0, by=("inputs.g",))
    assert watcher.describe()["worst"] == []
    for i in range(8):
        feed(watcher, 0.0, 1, {X: float(i), "inputs.g": str(i)})
    feed(watcher, 0.0, 1, {X: None, "inputs.g": "none"})
    level(watcher, 0.0)
    described = json.loads(json.dumps(watcher.describe(), allow_nan=False))
    assert [row["ratio"] for row in described["worst"]] == pytest.approx([0.7, 0.6, 0.5, 0.4, 0.3])
    assert described["since"] == BASE
    assert described["segments"] == 9


def test_state_of_another_rule_is_refused() -> None:
    saved = watch("count", "inputs.x < 0", above=3).save()
    with pytest.raises(StateError, match="were saved for"):
        watch("count", "inputs.x < 1", above=3).load(saved)
    with pytest.raises(StateError, match="cannot be read"):
        watch("count", "inputs.x < 0", above=3).load({**saved, "gauge": {}})


def test_rules_on_truth_say_so_and_rules_with_a_detector_are_not_ours() -> None:
    assert watch("share", "truth.label == 'x'", above=0.1).needs_truth
    assert watch("share", "inputs.x < 0", above=0.1, by=("truth.label",)).needs_truth
    assert not watch("share", "inputs.x < 0", above=0.1).needs_truth
    with pytest.raises(TypeError, match="has a detector, not a window"):
        window_watcher(make_rule(Detect("shift", ("inputs.x",))), "m")
