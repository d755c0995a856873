"""What every kind must do under the budget, whatever it is and whichever detector it names."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from monitor.core import state
from monitor.core.events import MISSING, Batch
from monitor.core.rules.model import ColumnSetting, Detect
from monitor.core.watcher import Mark

Make = Callable[..., Any]
Columns = dict[str, list[Any]]
STEP = 1800.0  # seconds between events
REFERENCE, CHANGED, CALM = 720, 240, 150  # events; a calm stretch takes less than half a week
GARBAGE: list[Any] = [math.nan, math.inf, -math.inf, None, MISSING, "", "nan", 2**70, 10**400, [], {}, 1e308, True]
WRONG = "output.label != truth.label"


@dataclass(frozen=True)
class Case:
    kind: str
    what: str
    method: str | None = None
    parameters: dict[str, Any] = field(default_factory=dict)

    @property
    def detect(self) -> Detect:
        if self.kind == "estimated_errors":
            return Detect("estimated_errors", ("output.confidence",), of="output.overridden == 1")
        of, columns = (WRONG, ()) if self.kind == "harm" else (None, ("inputs.*",))
        return Detect(self.kind, columns, of=of, method=self.method, parameters=self.parameters)  # type: ignore[arg-type]

    def events(self, seed: int, n: int, level: int = 0) -> Columns:
        """Events at one of three levels: 0 is normal, 1 is a change, 2 a change from that."""
        rng = np.random.default_rng(seed)
        if self.kind == "harm":
            wrong = rng.random(n) < (0.05, 0.4, 0.9)[level]
            return {"output.label": ["a"] * n, "truth.label": ["b" if w else "a" for w in wrong]}
        if self.kind == "estimated_errors":
            sure = rng.beta(*((20, 2), (6, 4), (2, 8))[level], n)
            overridden = (rng.random(n) < 1 - sure).astype(float)
            return {"output.confidence": sure.tolist(), "output.overridden": overridden.tolist()}
        columns: Columns = {}
        if "numbers" in self.what:
            matrix = rng.normal(0, 1, (n, 1)) + rng.normal(0, 1, (n, 3))
            matrix += (0, 8, 40)[level] * np.array([1, 0, -1]) * (1000 if self.kind == "outlier" else 1)
            columns |= {f"inputs.{name}": matrix[:, i].tolist() for i, name in enumerate("abc")}
        if "categories" in self.what:
            shares = ((0.5, 0.3, 0.2), (0.1, 0.1, 0.8), (0.8, 0.1, 0.1))[level]
            columns["inputs.k"] = rng.choice(["x", "y", "z"], n, p=shares).tolist()
        return columns


CASES = [
    Case("shift", "numbers"),
    Case("shift", "categories"),
    Case("shift", "numbers and categories"),
    Case("shift", "numbers", "adwin"),
    Case("shift", "numbers", "page_hinkley"),
    Case("harm", "answers"),
    Case("harm", "answers", "adwin"),
    Case("harm", "answers", "fhddm", {"sliding_window_size": 50}),
    Case("estimated_errors", "confidence"),
    Case("anomaly", "numbers"),
    Case("anomaly", "numbers", "gaussian"),
    Case("anomaly", "numbers", "loda", {"n_random_cuts": 5, "learn": 100}),
    Case("outlier", "numbers"),
    Case("outlier", "numbers", "sad"),
]


@pytest.fixture(params=CASES, ids=lambda case: f"{case.kind}:{case.method or case.what}")
def case(request: pytest.FixtureRequest) -> Case:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def watched(player: Make, case: Case) -> Callable[[], Any]:
    def make() -> Any:
        fresh = player(case.detect, step=STEP)
        kinds = {"a": "number", "b": "number", "c": "number", "k": "category"}
        fresh.columns.configure({f"inputs.{name}": ColumnSetting(kind) for name, kind in kinds.items()})  # type: ignore[arg-type]
        return fresh

    return make


def armed(watched: Callable[[], Any], case: Case) -> Any:
    made = watched()
    made.feed(case.events(1, REFERENCE))
    made.arm()
    return made


def joined(*parts: Columns) -> Columns:
    return {path: [value for part in parts for value in part[path]] for path in parts[0]}


def test_a_change_is_found_and_nothing_before_it(watched: Make, case: Case) -> None:
    made = armed(watched, case)
    assert made.feed(case.events(3, CALM)) == []
    changed = made.now
    found = made.feed(case.events(2, CHANGED, 1))
    assert found
    for finding in found:
        evidence = finding.evidence
        assert changed <= evidence.at
        assert evidence.detail.endswith(".")
        assert "\n" not in evidence.detail
        numbers = [evidence.value, evidence.expected, evidence.effect, *(evidence.interval or ())]
        assert all(number is None or math.isfinite(number) for number in numbers)


@pytest.mark.parametrize("cuts", [17, 300])
def test_cuts_and_reloads_change_no_bit(watched: Make, case: Case, cuts: int) -> None:
    story = joined(case.events(1, REFERENCE), case.events(2, CHANGED, 1), case.events(3, 60, 2))
    whole, pieces = watched(), watched()
    expected = whole.feed(story, cuts=10_000)
    assert pieces.feed(story, cuts=cuts, reload=cuts > 100) == expected
    assert pieces.digest() == whole.digest()
    pieces.reload()
    assert pieces.digest() == whole.digest()


def test_bad_values_never_raise_and_never_poison(watched: Make, case: Case) -> None:
    made = armed(watched, case)
    spoiled = {
        path: [GARBAGE[i // 30 % len(GARBAGE)] if i % 30 == 7 else v for i, v in enumerate(column)]
        for path, column in case.events(3, REFERENCE).items()
    }
    found = made.feed(spoiled)
    assert [f for f in found if f.evidence.statistic in ("detector_error", "not_watched")] == []
    json.dumps(made.watcher.describe(), allow_nan=False)
    if case.kind == "outlier":  # a value of 1e308 is one; it is told once a day
        made.feed(case.events(5, REFERENCE))
    assert made.feed(case.events(2, CHANGED, 1))


def test_nothing_but_garbage_is_survived(watched: Make, case: Case) -> None:
    made = watched()
    paths = list(case.events(1, 1))
    found = made.feed({path: [GARBAGE[(i + k) % len(GARBAGE)] for i in range(900)] for k, path in enumerate(paths)})
    made.arm()
    found += made.feed({path: [GARBAGE[(i * k) % len(GARBAGE)] for i in range(200)] for k, path in enumerate(paths)})
    assert [f for f in found if f.evidence.statistic == "detector_error"] == []
    made.reload()
    json.dumps(made.watcher.describe(), allow_nan=False)


@pytest.mark.parametrize("value", [0.1, -1e300, "x", None])
def test_a_constant_never_fires(watched: Make, case: Case, value: Any) -> None:
    made = watched()
    paths = list(case.events(1, 1))
    assert made.feed({path: [value] * REFERENCE for path in paths}) == []
    made.arm()
    assert made.feed({path: [value] * REFERENCE for path in paths}) == []


def test_empty_batches_and_single_events_are_taken(watched: Make, case: Case) -> None:
    made = armed(watched, case)
    nothing = Batch("model", [], np.empty(0), np.empty(0), np.empty(0, dtype=np.int64), {}, [])
    assert made.watcher.observe(nothing, np.empty(0)) == []
    assert made.feed(case.events(2, 30), cuts=1) == []


def test_memory_is_bounded_in_a_long_stream_with_many_versions(watched: Make, case: Case) -> None:
    made, sizes = watched(), []
    for turn in range(10):
        made.feed(case.events(turn, 100), versions=[f"v{turn}"] * 100)
        sizes.append(len(state.dump(made.watcher.save())))
        assert made.watcher.memory() < 4_000_000
    assert sizes[-1] < 2 * max(sizes[:6]) + 1000


def test_after_rearm_a_second_change_is_found(watched: Make, case: Case) -> None:
    made = armed(watched, case)
    assert made.feed(case.events(2, 60, 1))
    made.watcher.apply(Mark("rearm", made.now))
    made.feed(case.events(4, CALM))
    assert made.feed(case.events(5, CHANGED, 1))


def test_after_a_reference_mark_the_present_is_normal_and_a_change_from_it_is_found(watched: Make, case: Case) -> None:
    made = armed(watched, case)
    made.feed(case.events(2, 60, 1))
    made.watcher.apply(Mark("reference", made.now))
    made.watcher.allow(1e-9)
    assert made.feed(case.events(6, REFERENCE, 1)) == []
    made.watcher.allow(1.0)
    made.arm()
    assert made.feed(case.events(9, 100, 1)) == []
    assert made.feed(case.events(7, CHANGED, 2))


def test_frozen_finds_nothing(watched: Make, case: Case) -> None:
    made = armed(watched, case)
    made.watcher.apply(Mark("freeze", made.now))
    assert made.feed(case.events(2, CHANGED, 1)) == []
    made.watcher.apply(Mark("unfreeze", made.now))
    assert made.feed(case.events(2, CHANGED, 1))


def test_a_state_of_another_kind_is_refused(watched: Make, case: Case) -> None:
    made = armed(watched, case)
    saved = made.watcher.save()
    for key in ("entries", "pool", "clock"):
        broken = {name: part for name, part in saved.items() if name != key}
        with pytest.raises(state.StateError):
            made.fresh().load(broken)
