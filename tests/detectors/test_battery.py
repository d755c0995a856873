"""What every detector must do, whatever it is: each kind with each of its methods passes all of this by itself.

That array forms equal River's own answers is tested beside each of them, against River.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from monitor.core import state
from monitor.core.detectors.methods import METHODS
from monitor.core.events import MISSING
from monitor.core.findings import YES
from monitor.core.rules.model import Detect
from monitor.core.watcher import Mark

START = 1_700_000_000.0
Columns = dict[str, list[Any]]
SMALL: dict[str, Any] = {  # small enough to be quick, large enough to find something
    "warm_up": 60,
    "learn": 100,
    "calibrate": 100,
    "window_size": 50,
    "stat_size": 20,
    "n_random_cuts": 10,
    "sliding_window_size": 40,
}
CALM: dict[str, dict[str, Any]] = {  # River's defaults find something in a few hundred events of nothing
    "ddm": {"drift_threshold": 5},
    "eddm": {"alpha": 0.85, "beta": 0.8},
    "kswin": {"alpha": 1e-5, "window_size": 40},
    "lof": {"n_neighbors": 3},
}
NORMAL, CHANGED = 320, 160  # events
GARBAGE: list[Any] = [
    math.nan,
    math.inf,
    -math.inf,
    None,
    MISSING,
    "",
    "x",
    "nan",
    2**70,
    10**400,
    [],
    {},
    1e308,
    -1e308,
    True,
]


@dataclass(frozen=True)
class Case:
    kind: str
    method: str

    @property
    def detect(self) -> Detect:
        table = METHODS[self.kind][self.method]
        parameters = {name: value for name, value in SMALL.items() if name in table} | CALM.get(self.method, {})
        return Detect(
            self.kind,  # type: ignore[arg-type]
            () if self.kind == "harm" else ("inputs.*",),
            of="output.label != truth.label" if self.kind == "harm" else None,
            method=None if self.kind == "quality" else self.method,
            parameters=parameters,
            budget=False,
        )

    def events(self, seed: int, n: int, level: int = 0) -> Columns:
        """Events at one of three levels: 0 is normal, 1 is a change, 2 a change from that."""
        rng = np.random.default_rng(seed)
        if self.kind == "harm":
            wrong = rng.random(n) < (0.08, 0.5, 0.95)[level]
            return {"output.label": ["a"] * n, "truth.label": ["b" if w else "a" for w in wrong]}
        matrix = 50 + rng.normal(0, 3, (n, 1)) + rng.normal(0, 1, (n, 3))
        step = np.array([0, 12, 60])[level] * (1000 if self.kind == "outlier" else 1)
        matrix += step * np.array([1, 0, -1])
        names = "a" if self.kind == "shift" else "abc"
        columns: Columns = {f"inputs.{name}": matrix[:, i].tolist() for i, name in enumerate(names)}
        if self.kind == "quality":
            columns |= {f"inputs.{name}": [None] * n for name in "ab"[:level]}
        return columns


BUDGET_ONLY = ("estimated_errors",)  # never raw: they are in the battery of tests/budget
CASES = [Case(kind, method) for kind, table in METHODS.items() for method in table if kind not in BUDGET_ONLY]
Make = Callable[..., Any]


@pytest.fixture(params=CASES, ids=lambda case: f"{case.kind}:{case.method}")
def case(request: pytest.FixtureRequest) -> Case:
    return request.param  # type: ignore[no-any-return]


def tripped(watched: Any) -> list[str]:
    """What holds now, for rules that give levels."""
    level = watched.watcher.assess(watched.now)
    if level is None:
        return []
    return [name for name, holds in zip(level.segments, level.holds, strict=True) if holds == YES]


def seen(watched: Any, found: list[Any]) -> list[Any]:
    """Everything that came out, comparable."""
    level = watched.watcher.assess(watched.now)
    return [*found, None if level is None else [*map(str, (level.segments, level.holds, level.value, level.effect))]]


def detected(watched: Any, found: list[Any]) -> bool:
    return bool(found) or bool(tripped(watched))


def joined(*parts: Columns) -> Columns:
    return {path: [value for part in parts for value in part[path]] for path in parts[0]}


def story(case: Case) -> Columns:
    return joined(case.events(1, NORMAL), case.events(2, CHANGED, 1))


def test_a_change_is_found_and_nothing_before_it(player: Make, case: Case) -> None:
    watched = player(case.detect)
    assert not detected(watched, watched.feed(case.events(1, NORMAL)))
    found = watched.feed(case.events(2, CHANGED, 1))
    assert detected(watched, found)
    for finding in found:
        evidence = finding.evidence
        assert START + NORMAL <= evidence.at < START + NORMAL + CHANGED
        assert evidence.detail[0].isupper() or evidence.detail.startswith(("inputs.", "output."))
        assert evidence.detail.endswith(".")
        assert evidence.detail.count("\n") == 0
        numbers = [evidence.value, evidence.expected, evidence.effect, *(evidence.interval or ())]
        assert all(number is None or math.isfinite(number) for number in numbers)


def test_save_and_load_go_on_identically(player: Make, case: Case) -> None:
    undisturbed, moved = player(case.detect), player(case.detect)
    wanted = seen(undisturbed, undisturbed.feed(story(case), cuts=90))
    assert seen(moved, moved.feed(story(case), cuts=90, reload=True)) == wanted
    assert moved.digest() == undisturbed.digest()
    moved.reload()
    moved.reload()
    assert moved.digest() == undisturbed.digest()


@pytest.mark.parametrize("cuts", [13, [1, 2, 3, NORMAL, NORMAL + 1, NORMAL + 37], [64, 65, 163, 164, 165]])
def test_cuts_do_not_matter(player: Make, case: Case, cuts: Any) -> None:
    whole, pieces = player(case.detect), player(case.detect)
    assert seen(pieces, pieces.feed(story(case), cuts=cuts)) == seen(whole, whole.feed(story(case), cuts=10_000))


def test_bad_numbers_never_raise_and_never_poison(player: Make, case: Case) -> None:
    watched = player(case.detect)
    watched.feed(case.events(1, NORMAL))
    ordinary = case.events(3, NORMAL)
    spoiled = {  # a piece of garbage now and then, too rare to be a burst of its own
        path: [GARBAGE[i // 30 % len(GARBAGE)] if i % 30 == 7 else v for i, v in enumerate(column)]
        for path, column in ordinary.items()
    }
    found = watched.feed(spoiled)
    assert [f for f in found if f.evidence.statistic in ("detector_error", "not_watched")] == []
    if case.kind == "outlier":  # a value of 1e308 is one
        watched.offset += 86_400
        found = []
    assert detected(watched, found) or detected(watched, watched.feed(case.events(2, CHANGED, 1)))
    json.dumps(watched.watcher.describe(), allow_nan=False)


def test_nothing_but_garbage_is_survived(player: Make, case: Case) -> None:
    watched = player(case.detect)
    paths = list(case.events(1, 1))
    found = watched.feed({path: [GARBAGE[(i + k) % len(GARBAGE)] for i in range(600)] for k, path in enumerate(paths)})
    assert [f for f in found if f.evidence.statistic == "detector_error"] == []
    watched.reload()
    json.dumps(watched.watcher.describe(), allow_nan=False)


@pytest.mark.parametrize("value", [0, 0.1, -1e300, 5, False, "a", None])
def test_a_constant_never_fires(player: Make, case: Case, value: Any) -> None:
    watched = player(case.detect)
    paths = list(case.events(1, 1))
    found = watched.feed({path: [value] * 700 for path in paths}, cuts=100)
    assert not detected(watched, found)


@pytest.mark.parametrize("size", [0, 1])
def test_empty_batches_and_single_events_are_taken(player: Make, case: Case, batch_of: Make, size: int) -> None:
    watched = player(case.detect)
    for start in range(3):
        batch = batch_of(case.events(start, size), start)
        assert watched.watcher.observe(batch, batch.at) == []
    nothing = batch_of({}, 3)
    assert watched.watcher.observe(nothing, nothing.at) == []


def test_memory_is_bounded_in_a_long_stream_with_many_versions(player: Make, case: Case) -> None:
    watched = player(case.detect)
    sizes = []
    for turn in range(12):
        part = case.events(turn, 60)
        watched.feed(part, versions=[f"v{turn}"] * 60)
        sizes.append(len(state.dump(watched.watcher.save())))
        assert watched.watcher.memory() < 4_000_000
    assert sizes[-1] < 2 * max(sizes[:6]) + 1000


def test_after_rearm_a_second_change_is_found(player: Make, case: Case) -> None:
    watched = player(case.detect)
    assert detected(watched, watched.feed(story(case)))
    watched.watcher.apply(Mark("rearm", watched.now))
    assert not tripped(watched)
    assert not [f for f in watched.feed(case.events(4, NORMAL)) if f.evidence.at > START]
    assert detected(watched, watched.feed(case.events(5, CHANGED, 1)))


def test_after_a_reference_mark_the_present_is_normal_and_a_change_from_it_is_found(player: Make, case: Case) -> None:
    watched = player(case.detect)
    watched.feed(story(case))
    watched.watcher.apply(Mark("reference", watched.now))
    assert not detected(watched, watched.feed(case.events(6, NORMAL, 1)))
    assert detected(watched, watched.feed(case.events(7, CHANGED, 2)))


def test_the_same_stream_gives_the_same_bytes(player: Make, case: Case) -> None:
    digests = set()
    for _ in range(2):
        watched = player(case.detect)
        watched.feed(story(case))
        digests.add(watched.digest())
    assert len(digests) == 1


def test_frozen_finds_nothing(player: Make, case: Case) -> None:
    watched = player(case.detect)
    watched.feed(case.events(1, NORMAL))
    watched.watcher.apply(Mark("freeze", watched.now))
    assert not detected(watched, watched.feed(case.events(2, CHANGED, 1)))
    watched.watcher.apply(Mark("unfreeze", watched.now))
    assert detected(watched, watched.feed(joined(case.events(3, NORMAL), case.events(2, CHANGED, 1))))
