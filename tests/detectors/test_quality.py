from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.cli.rules_standing import sentences
from monitor.core.detectors.bursts import HOLD, WINDOWS, Burst, Run, limit
from monitor.core.detectors.categories import NewValues
from monitor.core.detectors.methods import CHECKS
from monitor.core.events import MISSING
from monitor.core.findings import YES
from monitor.core.rules.model import ColumnSetting, Detect
from monitor.core.watcher import Mark

START = 1_700_000_000.0
Make = Callable[..., Any]


def quality(*checks: str) -> Detect:
    return Detect("quality", ("inputs.*",), checks=checks)


def holding(watched: Any, at: float | None = None) -> list[str]:
    level = watched.watcher.assess(watched.now if at is None else at)
    return [name for name, holds in zip(level.segments, level.holds, strict=True) if holds == YES]


def numbers(seed: int, n: int) -> list[Any]:
    return np.random.default_rng(seed).normal(0, 1, n).tolist()


# what one event of a burst is like, by check, and with how many of them it has to be found
BURSTS: dict[str, tuple[dict[str, Any], int]] = {
    "missing": ({"inputs.x": None}, 6),
    "nonfinite": ({"inputs.x": math.inf}, 6),
    "type_change": ({"inputs.x": "12.5"}, 6),
    "new_category": ({"inputs.k": "fax"}, 3),
    "vanished": ({"inputs.x": MISSING}, 20),
    "constant": ({"inputs.x": 0.25}, 20),
    "out_of_range": ({"inputs.x": 99.0}, 3),
    "duplicate_ids": ({}, 6),
    "clock_backwards": ({}, 6),
    "late": ({}, 6),
}


@pytest.mark.parametrize("check", CHECKS)
def test_a_burst_of_each_kind_is_found_within_twenty_events(player: Make, check: str) -> None:
    limits = {"inputs.x": ColumnSetting("number", -50.0, 50.0), "inputs.k": ColumnSetting("category")}
    watched = player(Detect("quality", ("inputs.x", "inputs.k"), checks=CHECKS), settings=limits)
    ways = np.random.default_rng(2).choice(["web", "branch", "phone"], 800).tolist()
    watched.feed({"inputs.x": numbers(1, 800), "inputs.k": ways})
    assert holding(watched) == []
    (bad, most), fresh = BURSTS[check], numbers(3, 20)
    more: dict[str, Any] = {}
    for count in range(1, 21):
        if check == "duplicate_ids":
            more["ids"] = [f"event-{700 + count}"]
        elif check in ("clock_backwards", "late"):
            more |= {"at": np.array([watched.now - 3600.0]), "recorded_at": np.array([watched.now])}
        event = {"inputs.x": fresh[count - 1], "inputs.k": "web"} | bad
        watched.feed({path: [value] for path, value in event.items()}, reload=True, **more)
        if any(name.endswith(f": {check}") for name in holding(watched)):
            break
    assert count <= most
    others = {name.rsplit(": ", 1)[1] for name in holding(watched)} - {check}
    assert others <= {
        "missing",
        "clock_backwards",
        "late",
    }  # what has vanished is missing; the clock and lateness go along


def test_ids_are_the_same_however_the_stream_is_cut(player: Make) -> None:
    ids = [f"e-{i}" for i in np.random.default_rng(4).integers(0, 3000, 2000).tolist()]
    digests = []
    for cuts in (1, 37, 2000):
        watched = player(quality("duplicate_ids"))
        for start in range(0, 2000, cuts):
            part = ids[start : start + cuts]
            watched.feed({"inputs.x": [1.0] * len(part)}, ids=part, cuts=4000, reload=cuts == 37)
        digests.append(watched.digest())
    assert len(set(digests)) == 1


def test_a_check_that_has_learned_says_so_and_one_that_cannot_says_why(player: Make) -> None:
    watched = player(quality("constant", "new_category"))
    watched.feed({"inputs.x": numbers(1, 900), "inputs.still": [4.0] * 900, "inputs.k": ["a", "b"] * 450})
    checks = watched.watcher.describe()["checks"]
    assert checks["constant"] == {"columns": 2, "ready": 1, "idle": 1, "tripped": 0}
    assert checks["new_category"] == {"columns": 1, "ready": 1, "idle": 0, "tripped": 0}
    said = " ".join(sentences(watched.watcher.describe(), "model"))
    assert "still learning" not in said
    assert "The check for constant says nothing on 1 column: the first events were so themselves." in said


BAD: dict[str, Any] = {"missing": None, "nonfinite": "nan", "type_change": "12.5"}


@pytest.mark.parametrize(("check", "bad"), [*BAD.items(), ("missing", MISSING), ("nonfinite", 10**400)])
def test_a_burst_is_found_within_twenty_events_and_holds_until_five_minutes_after_it(
    player: Make, check: str, bad: Any
) -> None:
    watched = player(quality(check))
    watched.feed({"inputs.x": numbers(1, 600)})
    assert holding(watched) == []
    watched.feed({"inputs.x": [bad] * 20})
    assert holding(watched) == [f"inputs.x: {check}"]
    watched.feed({"inputs.x": numbers(2, 200)})
    assert holding(watched) == [f"inputs.x: {check}"]
    watched.feed({"inputs.x": numbers(3, int(HOLD))})
    assert holding(watched) == []
    assert watched.watcher.assess(watched.now).segments == (f"inputs.x: {check}",)


def test_a_burst_in_the_middle_of_a_batch_is_seen(player: Make) -> None:
    watched = player(quality("missing"))
    watched.feed({"inputs.x": [*numbers(1, 600), *[None] * 20, *numbers(2, 100)]})
    assert holding(watched) == ["inputs.x: missing"]


def test_half_of_the_values_bad_is_found_where_none_were(player: Make) -> None:
    watched = player(quality("missing"))
    watched.feed({"inputs.x": [*numbers(1, 600), *[None, 1.0] * 12]})
    assert holding(watched) == ["inputs.x: missing"]
    level = watched.watcher.assess(watched.now)
    assert level.expected[0] == 0
    assert 0.2 < level.value[0] <= 1
    assert level.effect[0] >= 1


@pytest.mark.parametrize("pattern", [[None, 1.5], [None] * 30 + [1.5] * 30])
def test_a_column_that_is_missing_half_of_the_time_never_fires(player: Make, pattern: list[Any]) -> None:
    watched = player(Detect("quality", ("inputs.x",), checks=("missing", "vanished")))
    watched.feed({"inputs.x": [v if v is None else v * i for i, v in enumerate(pattern * 60, 1)]})
    assert watched.watcher.assess(watched.now).segments == ()


def test_random_gaps_of_any_rate_do_not_fire_in_twenty_thousand_events(player: Make) -> None:
    rng = np.random.default_rng(1)
    rates = (0.001, 0.02, 0.1, 0.3, 0.5, 0.8, 0.97)
    columns = {
        f"inputs.r{rate}": [None if gone else 1.5 * i for i, gone in enumerate(rng.random(20_000) < rate)]
        for rate in rates
    }
    watched = player(quality("missing"))
    watched.feed(columns)
    assert watched.watcher.assess(watched.now).segments == ()


def test_a_column_that_vanishes_is_told_apart_from_one_that_was_rare(player: Make) -> None:
    watched = player(quality("vanished"))
    rare = [1.0 * i if i % 3 == 0 else MISSING for i in range(900)]
    watched.feed({"inputs.x": numbers(1, 900), "inputs.rare": rare})
    watched.feed({"other": [1] * 19})
    assert holding(watched) == []
    watched.feed({"other": [1] * 1})
    assert holding(watched) == ["inputs.x: vanished"]


def test_a_number_that_gets_stuck_is_found_and_one_that_was_always_stuck_is_not(player: Make) -> None:
    watched = player(quality("constant"))
    mostly = [0.0 if i % 10 else float(i) for i in range(900)]
    watched.feed({"inputs.x": numbers(1, 900), "inputs.still": [4.0] * 900, "inputs.mostly": mostly})
    seldom = [1.0 * (i - i % 3 // 2) for i in range(900)]  # one value in three repeats the one before
    watched.feed({"inputs.seldom": seldom})
    stuck = {"inputs.x": 1.25, "inputs.still": 4.0, "inputs.mostly": 0.0, "inputs.seldom": 7.0}
    watched.feed({path: [value] * 19 for path, value in stuck.items()})
    assert holding(watched) == []
    watched.feed({path: [value] * 20 for path, value in stuck.items()})
    assert holding(watched) == ["inputs.x: constant"]
    watched.feed({path: [value] * 199 for path, value in stuck.items()})
    assert holding(watched) == ["inputs.seldom: constant", "inputs.x: constant"]


def test_a_value_never_seen_before_is_found_at_its_third_time_and_accepted_by_rearm(player: Make) -> None:
    watched = player(quality("new_category"))
    known = ["a", "b", "c"] * 300
    watched.feed({"inputs.c": known})
    watched.feed({"inputs.c": ["zz", "a", "zz", "a", "typo"]})
    assert holding(watched) == []
    watched.feed({"inputs.c": ["zz"]})
    assert holding(watched) == ["inputs.c: new_category"]
    assert watched.watcher.describe()["new_values"] == {"inputs.c": ["zz", "typo"]}
    watched.watcher.apply(Mark("rearm", START))
    watched.feed({"inputs.c": ["zz"] * 10})
    assert holding(watched) == []


def test_values_that_keep_coming_while_the_set_settles_are_no_news(player: Make) -> None:
    watched = player(quality("new_category"))
    watched.feed({"inputs.c": [f"v{min(i // 10, 90)}" for i in range(1000)]})
    assert holding(watched) == []


def test_a_million_categories_are_given_up_in_bounded_memory() -> None:
    values = NewValues()
    zeros, old = np.zeros(500), np.zeros(500, dtype=bool)
    for start in range(0, 5000, 500):
        values.feed([f"user-{i}" for i in range(start, start + 500)], zeros, old)
    assert values.overflow
    assert not values.known
    values.feed([None, "x"], zeros[:2], old[:2])
    assert not values.ever


def test_a_declared_range_needs_no_reference(player: Make) -> None:
    declared = {
        "inputs.age": ColumnSetting(minimum=0, maximum=120),
        "inputs.sex": ColumnSetting(values=("f", "m")),
        "inputs.free": ColumnSetting(),
    }
    watched = player(quality("out_of_range"), settings=declared)
    watched.feed({"inputs.age": [30.0] * 97 + [-1, 121, 130], "inputs.sex": ["f"] * 100, "inputs.free": [1e9] * 100})
    assert holding(watched) == ["inputs.age: out_of_range"]
    watched.feed(
        {"inputs.age": [30.0, None] * 5, "inputs.sex": ["m", "x", "x", "x", None] * 2, "inputs.free": [1] * 10}
    )
    assert "inputs.sex: out_of_range" in holding(watched)


def test_a_clock_that_jumps_back_a_day_and_late_events_are_found(player: Make) -> None:
    watched = player(quality("clock_backwards", "late"))
    watched.feed({"inputs.x": numbers(1, 400)})
    behind = START + watched.offset - 86_400.0 + np.arange(30)
    now = START + watched.offset + np.arange(30.0)
    batch_clock = now
    columns = {"inputs.x": numbers(2, 30)}
    watched.feed(columns, at=behind, recorded_at=batch_clock)
    assert "at: clock_backwards" in holding(watched)


def test_one_time_in_2035_does_not_make_all_that_follows_run_backwards(player: Make) -> None:
    watched = player(quality("clock_backwards"))
    for start in range(0, 600, 100):
        at = START + start + np.arange(100.0)
        at[50] += 3e8 if start == 300 else 0
        watched.feed({"inputs.x": numbers(start, 100)}, at=at, recorded_at=START + start + np.arange(100.0))
    assert watched.watcher.assess(START + 600).segments == ()


def test_late_is_behind_the_rule_clock(player: Make, batch_of: Make) -> None:
    watched = player(quality("late"))
    for start, lag in ((0, 0.0), (400, 900.0)):
        batch = batch_of({"inputs.x": numbers(1, 400)}, start)
        watched.columns.learn(batch)
        watched.watcher.observe(batch, batch.at + lag)
    assert holding(watched, START + 1700) == ["at: late"]


def test_columns_known_to_be_categories_are_not_checked_as_numbers(player: Make) -> None:
    watched = player(quality())
    watched.feed({"inputs.c": ["a", "b"] * 300, "inputs.x": numbers(1, 600)})
    checks = watched.watcher.describe()["checks"]
    assert checks["type_change"]["columns"] == 1
    assert checks["new_category"]["columns"] == 1
    assert checks["missing"] == {"columns": 2, "ready": 2, "idle": 0, "tripped": 0}


def test_marks_freeze_relearn_and_clear(player: Make) -> None:
    watched = player(quality("missing"))
    watched.feed({"inputs.x": numbers(1, 600)})
    watched.watcher.apply(Mark("freeze", START))
    watched.feed({"inputs.x": [None] * 100})
    assert holding(watched) == []
    watched.watcher.apply(Mark("unfreeze", START))
    watched.feed({"inputs.x": [None] * 100})
    assert holding(watched) == ["inputs.x: missing"]
    watched.watcher.apply(Mark("rearm", START, segment="inputs.y: missing"))
    assert holding(watched) == ["inputs.x: missing"]
    watched.watcher.apply(Mark("rearm", START, segment="inputs.x: missing"))
    assert holding(watched) == []
    watched.watcher.apply(Mark("reference", START))
    watched.feed({"inputs.x": [None] * 400})
    assert holding(watched) == []  # what was accepted is the new normal


def test_old_events_that_are_not_live_make_a_historical_level(player: Make) -> None:
    for live in (False, True):
        watched = player(quality("missing"))
        watched.feed({"inputs.x": [*numbers(1, 600), *[None] * 30]}, recorded_at=np.full(630, START + 1e6), live=live)
        assert watched.watcher.assess(watched.now).historical is not live


def test_no_event_at_all_gives_a_level_without_segments(player: Make, batch_of: Make) -> None:
    watched = player(quality())
    assert watched.watcher.assess(START).segments == ()
    truth = batch_of({"truth.label": ["a"] * 300}, truth=True)
    assert watched.watcher.observe(truth, truth.at) == []
    assert json.loads(json.dumps(watched.watcher.describe(), allow_nan=False))["events"] == 0


def flags(seed: int, n: int) -> list[bool]:
    rng = np.random.default_rng(seed)
    return (rng.random(n) < np.repeat([0.02, 0.02, 0.6, 0.02], n // 4)).tolist()


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(["burst", "declared", "run"]), st.lists(st.integers(0, 800), max_size=8), st.integers(0, 5))
def test_cuts_change_nothing_in_counts_and_runs(kind: str, cuts: Sequence[int], seed: int) -> None:
    bad, clock, old = np.array(flags(seed, 800)), np.arange(800.0), np.arange(800) % 2 == 0
    makes: dict[str, Callable[[], Burst | Run]] = {
        "burst": Burst,
        "declared": lambda: Burst(declared=True),
        "run": lambda: Run(4, 0.5, 50),
    }
    whole, pieces = makes[kind](), makes[kind]()
    whole.feed(bad, clock, old)
    edges = [0, *sorted(cuts), 800]
    for i in range(len(edges) - 1):
        part = slice(edges[i], edges[i + 1])
        pieces.feed(bad[part], clock[part], old[part])
    assert repr(pieces.save()) == repr(whole.save())
    assert whole.ever


def test_limits_rise_with_the_rate_of_the_reference_and_end_in_never() -> None:
    for window in WINDOWS:
        limits = [limit(bad, window) for bad in range(201)]
        assert limits == sorted(limits)
        assert limits[0] < window / 2
        assert limits[200] == window + 1
