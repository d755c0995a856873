from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from monitor.core.columns import Columns
from monitor.core.detectors.adwin import Adwin
from monitor.core.detectors.build import detector_watcher
from monitor.core.detectors.compare import Guard
from monitor.core.detectors.inputs import number_parts
from monitor.core.detectors.methods import ADWIN
from monitor.core.detectors.series import Settings
from monitor.core.detectors.stream_watcher import Plan, StreamWatcher
from monitor.core.events import MISSING, Floats
from monitor.core.findings import Finding
from monitor.core.rules.model import Detect
from monitor.core.state import StateError
from monitor.core.watcher import Mark

START = 1_700_000_000.0
SHIFT = Detect("shift", ("inputs.*",), budget=False)
HARM = Detect("harm", (), of="output.label != truth.label", budget=False)
Make = Callable[..., Any]


def values(seed: int, *levels: float, each: int = 400) -> list[float]:
    rng = np.random.default_rng(seed)
    return [float(v) for level in levels for v in rng.normal(level, 1.0, each)]


def answers(seed: int, *rates: float, each: int = 500) -> dict[str, list[Any]]:
    rng = np.random.default_rng(seed)
    wrong = [bool(rng.random() < rate) for rate in rates for _ in range(each)]
    return {"output.label": ["a"] * len(wrong), "truth.label": ["b" if w else "a" for w in wrong]}


def where(found: list[Finding]) -> list[tuple[str, str]]:
    return [(f.evidence.column, f.evidence.segment) for f in found]


def test_each_shifted_column_is_one_finding_in_the_order_of_their_rows(player: Make) -> None:
    late, early, still = values(1, 0, 0, 4, each=300), values(2, 0, 4, 4, each=300), values(3, 0, 0, 0, each=300)
    found = player(SHIFT).feed({"inputs.a": late, "inputs.b": early, "inputs.c": still, "other.d": early})
    assert where(found) == [("inputs.b", ""), ("inputs.a", "")]
    first = found[0]
    assert (first.rule, first.model, first.version, first.warming, first.historical) == (
        "pack/Rule", "model", None, False, False,
    )  # fmt: skip
    assert START + 300 <= first.evidence.at < START + 364
    assert first.evidence.statistic == "adwin on the mean"
    assert first.evidence.detail.startswith("inputs.b moved from a mean of ")
    assert first.evidence.detail.endswith(" before (ADWIN).")


def test_columns_of_one_rule_that_shift_in_one_row_are_ordered_by_name(player: Make) -> None:
    same = values(1, 0, 4)
    assert where(player(SHIFT).feed({"inputs.b": same, "inputs.a": same})) == [("inputs.a", ""), ("inputs.b", "")]


def test_ids_times_texts_and_categories_are_left_out_of_a_pattern(player: Make) -> None:
    n = 1200
    columns: dict[str, list[Any]] = {
        "inputs.id": [f"id-{i}" for i in range(n)],
        "inputs.when": [1_700_000_000 + i for i in range(n)],
        "inputs.kind": ["a", "b"] * (n // 2),
        "inputs.x": values(1, 0, 0, 0),
    }
    watched = player(SHIFT)
    assert watched.feed(columns) == []
    assert [row["column"] for row in watched.watcher.describe()["nearest"]] == ["inputs.x"]


def test_a_path_that_turns_out_to_be_no_number_is_named_in_describe(player: Make) -> None:
    watched = player(Detect("shift", ("output.label",), budget=False))
    watched.feed({"output.label": ["yes", "no"] * 300})
    assert watched.watcher.describe()["not_numbers"] == ["output.label"]


def test_segments_are_series_of_their_own(player: Make) -> None:
    web, shop = values(1, 0, 0), values(2, 0, 4)
    channels, mixed = ["web", "shop"] * 800, [v for pair in zip(web, shop, strict=True) for v in pair]
    found = player(Detect("shift", ("inputs.x",), by=("context.channel",), budget=False)).feed(
        {"inputs.x": mixed, "context.channel": channels}
    )
    assert where(found) == [("inputs.x", "context.channel=shop")]
    assert found[0].evidence.detail.endswith(" in context.channel=shop.")


def test_a_rearm_of_one_segment_leaves_the_other_latched(player: Make) -> None:
    watched = player(Detect("shift", ("inputs.x",), by=("context.s",), budget=False))
    both = [v for v in values(1, 0, 4, 4, 8, 8) for _ in "ab"]
    segments = ["a", "b"] * (len(both) // 2)

    def part(start: int, stop: int) -> list[Finding]:
        return list(watched.feed({"inputs.x": both[start:stop], "context.s": segments[start:stop]}))

    assert len(part(0, 1600)) == 2
    watched.watcher.apply(Mark("rearm", START, segment="context.s=a"))
    assert where(part(1600, 4000)) == [("inputs.x", "context.s=a")]


def test_a_reference_mark_takes_the_present_for_normal(player: Make) -> None:
    watched = player(SHIFT)
    assert len(watched.feed({"inputs.x": values(1, 0, 4)})) == 1
    watched.watcher.apply(Mark("reference", START))
    assert watched.feed({"inputs.x": values(2, 4, 4, 4)}) == []
    (back,) = watched.feed({"inputs.x": values(3, 0)})
    assert back.evidence.expected == pytest.approx(4, abs=0.2)


def test_frozen_is_neither_learned_nor_found_until_unfrozen(player: Make) -> None:
    watched = player(SHIFT)
    watched.feed({"inputs.x": values(1, 0)})
    before = watched.digest()
    watched.watcher.apply(Mark("freeze", START))
    assert watched.feed({"inputs.x": values(2, 50)}) == []
    assert watched.watcher.describe()["frozen"] == [""]
    watched.watcher.apply(Mark("unfreeze", START))
    assert watched.digest() == before
    assert watched.feed({"inputs.x": values(3, 0)}) == []
    assert len(watched.feed({"inputs.x": values(4, 3)})) == 1


def test_other_marks_change_nothing(player: Make) -> None:
    watched = player(SHIFT)
    watched.feed({"inputs.x": values(1, 0, 4)})
    before = watched.digest()
    for kind in ("tick", "book", "kinds", "gap", "quarantine", "retire"):
        watched.watcher.apply(Mark(kind, START))
    assert watched.digest() == before
    assert watched.watcher.assess(START) is None


@pytest.mark.parametrize(
    ("on_version", "found_at_deploy", "found_later"), [("keep", 1, 0), ("compare", 0, 1), ("refit", 0, 1)]
)
def test_what_a_new_version_does(player: Make, on_version: str, found_at_deploy: int, found_later: int) -> None:
    watched = player(SHIFT, on_version=on_version)
    watched.feed({"inputs.x": values(1, 0)}, versions=["1"] * 400)
    deployed = watched.feed({"inputs.x": values(2, 4)}, versions=["2"] * 400)
    later = watched.feed({"inputs.x": values(3, 8)}, versions=["2"] * 400)
    assert (len(deployed), len(later)) == (found_at_deploy, found_later)
    assert {f.version for f in [*deployed, *later]} == {"2"}


def test_under_compare_a_canary_is_not_mixed_with_the_rest_and_a_rollback_finds_its_series(player: Make) -> None:
    watched = player(SHIFT)
    old, canary = values(1, 0, 0), values(2, 9, 9)
    mixed = [v for pair in zip(old, canary, strict=True) for v in pair]
    assert watched.feed({"inputs.x": mixed}, versions=["1", "2"] * 800) == []
    (back,) = watched.feed({"inputs.x": values(3, 3)}, versions=["1"] * 400)
    assert back.evidence.expected == pytest.approx(0, abs=0.2)


def test_missing_broken_and_text_values_are_passed_over(player: Make) -> None:
    clean = values(1, 0, 4)
    dirty: list[Any] = []
    for value in clean:
        dirty += [value, MISSING, None, math.nan, math.inf, "12", "nan", 10**400, [1]]
    explicit = Detect("shift", ("inputs.x",), budget=False)
    (found,) = player(explicit).feed({"inputs.x": dirty})
    (wanted,) = player(explicit).feed({"inputs.x": clean})
    assert dataclasses.replace(found.evidence, at=0.0) == dataclasses.replace(wanted.evidence, at=0.0)
    assert found.evidence.at - START == 9 * (wanted.evidence.at - START)


def test_errors_that_become_more_frequent_are_told_as_shares(player: Make) -> None:
    (found,) = player(HARM).feed(answers(1, 0.05, 0.4))
    assert found.evidence.column == "output.label != truth.label"
    assert found.evidence.expected == pytest.approx(0.05, abs=0.03)
    assert found.evidence.detail.startswith("output.label != truth.label holds for ")


def test_errors_that_become_rarer_are_no_harm(player: Make) -> None:
    for method in ("adwin", "page_hinkley", "hddm_a", "fhddm"):
        assert player(Detect("harm", (), of=HARM.of, method=method, budget=False)).feed(answers(2, 0.5, 0.02)) == []


def test_answers_whose_truth_is_unknown_are_passed_over(player: Make) -> None:
    known = answers(1, 0.05, 0.4)
    half = {path: [v for value in column for v in (value, MISSING)] for path, column in known.items()}
    (whole,), (found,) = player(HARM).feed(known), player(HARM).feed(half)
    assert found.evidence.n == whole.evidence.n


def test_a_finding_on_old_events_is_historical_unless_they_are_sent_as_live(player: Make) -> None:
    for live, historical in ((False, True), (True, False)):
        watched = player(Detect("shift", ("inputs.x",), budget=False))
        late = np.full(800, START + 1e6)
        (found,) = watched.feed({"inputs.x": values(1, 0, 4)}, recorded_at=late, live=live)
        assert found.historical is historical


def plan_of(make: Callable[[], Any], columns: Columns) -> Plan:
    return Plan(
        parts=lambda batch: number_parts(("inputs.*",), columns, batch),
        make=make,
        settings=Settings(Guard(0.178), 50),
        statistic="test",
        tell=lambda column, change: f"{column} changed",
        about=dict,
    )


class Panic(BaseException):
    """Like a panic of River's Rust half: no Exception."""


class Explodes(Adwin):
    def __init__(self, error: BaseException) -> None:
        super().__init__({name: p.default for name, p in ADWIN.items()})
        self._error, self._calls = error, 0

    def first(self, values: Floats) -> int:
        self._calls += 1
        if self._calls > 2:
            raise self._error
        return super().first(values)


@pytest.mark.parametrize("error", [Panic("boom"), ZeroDivisionError(), MemoryError()])
def test_a_detector_that_raises_is_off_with_a_finding_and_starts_again_after_rearm(
    rule_of: Make, batch_of: Make, error: BaseException
) -> None:
    columns = Columns()
    watcher = StreamWatcher(rule_of(SHIFT), (), "form", plan_of(lambda: Explodes(error), columns))
    found = []
    for start in range(0, 600, 100):
        batch = batch_of({"inputs.x": values(start, 0, each=100)}, start)
        columns.learn(batch)
        found += watcher.observe(batch, batch.at)
    (only,) = found
    assert only.evidence.statistic == "detector_error"
    assert type(error).__name__ in only.evidence.detail
    assert watcher.describe()["series"] == {"disabled": 1}
    assert type(error).__name__ in watcher.describe()["notes"][0]
    watcher.apply(Mark("rearm", START))
    assert watcher.describe()["series"] == {"warming": 1}


def test_an_interrupt_is_not_swallowed(rule_of: Make, batch_of: Make) -> None:
    columns = Columns()
    watcher = StreamWatcher(rule_of(SHIFT), (), "form", plan_of(lambda: Explodes(KeyboardInterrupt()), columns))
    with pytest.raises(KeyboardInterrupt):
        for start in range(0, 600, 100):
            batch = batch_of({"inputs.x": values(start, 0, each=100)}, start)
            columns.learn(batch)
            watcher.observe(batch, batch.at)


@pytest.mark.parametrize("size", [7, 500])
def test_the_cap_is_told_once_and_the_first_series_go_on(rule_of: Make, batch_of: Make, size: int) -> None:
    columns = Columns()
    plan = plan_of(lambda: Adwin({name: p.default for name, p in ADWIN.items()}), columns)
    watcher = StreamWatcher(rule_of(SHIFT), (), "form", plan, cap=2)
    streams = {f"inputs.{name}": values(i, 0, 4, each=250) for i, name in enumerate("abcd")}
    found = []
    for start in range(0, 500, size):
        batch = batch_of({path: column[start : start + size] for path, column in streams.items()}, start)
        columns.learn(batch)
        found += watcher.observe(batch, batch.at)
    assert [f.evidence.statistic for f in found] == ["not_watched", "test", "test"]
    assert found[0].evidence.at == START + 64
    assert where(found[1:]) == [("inputs.a", ""), ("inputs.b", "")]
    assert watcher.describe()["not_watched"] is True
    assert watcher.memory() < 100_000


def test_describe_is_plain_json_and_says_what_is_near(player: Make) -> None:
    watched = player(SHIFT)
    assert json.loads(json.dumps(watched.watcher.describe(), allow_nan=False))["since"] is None
    watched.feed({"inputs.a": values(1, 0, 0), "inputs.b": values(2, 0, 5)})
    said = json.loads(json.dumps(watched.watcher.describe(), allow_nan=False))
    assert said["since"] == START
    assert said["series"] == {"latched": 1, "watching": 1}
    assert [row["column"] for row in said["nearest"]] == ["inputs.b", "inputs.a"]
    assert said["nearest"][0]["effect_now"] > 3


def test_a_state_of_another_form_of_the_rule_is_refused(player: Make, rule_of: Make) -> None:
    saved = player(SHIFT).watcher.save()
    other = detector_watcher(rule_of(Detect("shift", ("inputs.*",), tolerance=0.1)), "model", Columns())
    for wrong in (saved, saved | {"v": 99}, None, {}):
        with pytest.raises(StateError):
            other.load(wrong)


def test_a_damaged_state_is_refused(player: Make) -> None:
    watched = player(SHIFT)
    watched.feed({"inputs.x": values(1, 0)})
    for key in ("entries", "routes", "since"):
        saved = watched.watcher.save()
        del saved[key]
        with pytest.raises(StateError, match="cannot be read"):
            watched.watcher.load(saved)


@pytest.mark.parametrize("method", ["adwin", "page_hinkley"])
def test_after_an_upgrade_of_river_the_detector_starts_again_visibly_and_the_baseline_is_kept(
    player: Make, method: str
) -> None:
    watched = player(Detect("shift", ("inputs.x",), method=method, budget=False))
    watched.feed({"inputs.x": values(1, 0)})
    saved = watched.watcher.save()
    detector = saved["entries"]["entries"][0][3]["detector"]
    if method == "adwin":
        detector["river"] = "0.1.0"
    else:
        detector["pickle"] = b"OVRP1" + bytes([5]) + b"0.1.0" + detector["pickle"][12:]
    watched.watcher.load(saved)
    said = watched.watcher.describe()
    assert said["series"] == {"watching": 1}
    assert said["notes"] == [n for n in said["notes"] if "started again" in n and "River 0.1.0" in n] != []
    (found,) = watched.feed({"inputs.x": values(2, 4)})
    assert found.evidence.expected == pytest.approx(0, abs=0.2)
