from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from river import anomaly as river

from monitor.core.detectors.base import Matrix
from monitor.core.detectors.methods import TREES
from monitor.core.detectors.outlier import upper_bound
from monitor.core.detectors.reference import Reference
from monitor.core.detectors.vector_methods import fitter, limits
from monitor.core.events import MISSING
from monitor.core.rules.model import Detect
from monitor.core.watcher import Mark

START = 1_700_000_000.0
DAY = 86_400
ANOMALY = Detect("anomaly", ("inputs.*",), budget=False)
OUTLIER = Detect("outlier", ("inputs.*",), budget=False)
Make = Callable[..., Any]


def rows(seed: int, n: int, width: int = 4, spread: float = 1.0) -> Matrix:
    """Columns that go together: what they share is larger than what is their own."""
    rng = np.random.default_rng(seed)
    return 50 + spread * (rng.normal(0, 3, (n, 1)) + rng.normal(0, 1, (n, width)))


def columns(matrix: Matrix) -> dict[str, Sequence[Any]]:
    return {f"inputs.c{i}": matrix[:, i].tolist() for i in range(matrix.shape[1])}


def test_inputs_unusual_together_are_one_finding_that_names_the_columns_furthest_away(player: Make) -> None:
    strange = rows(2, 600)
    strange[:, 2] += 12
    (found,) = player(ANOMALY).feed(columns(np.concatenate([rows(1, 1200), strange])))
    evidence = found.evidence
    assert START + 1200 <= evidence.at < START + 1400
    assert evidence.column == "inputs.*"
    assert evidence.statistic == "score of half_space_trees"
    assert evidence.effect is not None
    assert evidence.effect > 0
    assert evidence.detail.startswith("Inputs look unusual together: their score (half-space trees) rose from ")
    assert "furthest from the reference are inputs.c2 (+" in evidence.detail


def test_scores_are_those_of_river_given_the_same_frozen_limits() -> None:
    defaults = {name: p.default for name, p in TREES.items()}
    names = [f"inputs.c{i}" for i in range(4)]
    reference = Reference(500, fitter("half_space_trees", defaults))
    assert reference.collect(names, rows(1, 500)) == 500
    learned = reference.standard(rows(1, 500))
    low, high = limits(learned)
    bounds = dict(zip(names, zip(low.tolist(), high.tolist(), strict=True), strict=True))
    trees = river.HalfSpaceTrees(limits=bounds, seed=1)
    for row in learned.tolist():
        trees.learn_one(dict(zip(names, row, strict=True)))
    new = reference.standard(reference.place(names, rows(2, 200)))
    assert reference.detector is not None
    assert reference.detector.score(new).tolist() == [
        trees.score_one(dict(zip(names, row, strict=True))) for row in new.tolist()
    ]


def test_it_is_warming_until_the_reference_is_learned_and_the_scores_are_scaled(player: Make) -> None:
    watched = player(ANOMALY)
    data = rows(1, 900)
    states = []
    for start in range(0, 900, 100):
        watched.feed(columns(data[start : start + 100]))
        states.append(next(iter(watched.watcher.describe()["series"])))
    assert states == ["warming"] * 7 + ["watching"] * 2  # 64 until the columns are known, 500 learned, 200 scores


def test_a_vanished_column_counts_as_its_middle_and_a_new_one_is_not_looked_at_and_both_are_told(player: Make) -> None:
    watched = player(ANOMALY)
    watched.feed(columns(rows(1, 900)))
    later = dict(columns(rows(2, 1500)))
    later["inputs.c0"] = [MISSING] * 1500
    later["inputs.new"] = np.random.default_rng(3).normal(0, 1, 1500).tolist()
    assert watched.feed(later) == []
    assert watched.watcher.describe()["notes"] == [
        "vanished, counted as the middle value: inputs.c0; not looked at: inputs.new"
    ]


def test_columns_that_half_of_the_reference_lacks_are_not_part_of_it(player: Make) -> None:
    data = dict(columns(rows(1, 1000)))
    data["inputs.rare"] = [1.0 * i if i % 4 == 0 else MISSING for i in range(1000)]
    watched = player(ANOMALY)
    watched.feed(data)
    assert watched.watcher.describe()["references"][0]["columns"] == [f"inputs.c{i}" for i in range(4)]


def test_a_reference_without_any_usable_column_is_begun_again(player: Make) -> None:
    sparse = [{f"inputs.c{k}": (1.0 if i % 5 == k else MISSING) for k in range(5)} for i in range(3000)]
    watched = player(Detect("anomaly", tuple(f"inputs.c{k}" for k in range(5)), budget=False))
    assert watched.feed({path: [event[path] for event in sparse] for path in sparse[0]}) == []
    assert watched.watcher.describe()["series"] == {"warming": 1}


def test_one_event_beyond_the_reference_is_told_with_its_id_and_column(player: Make) -> None:
    data = rows(1, 1500)
    data[1300, 1] = 900.0
    (found,) = player(OUTLIER).feed(columns(data))
    evidence = found.evidence
    assert (evidence.column, evidence.value, evidence.n) == ("inputs.c1", 900.0, 1)
    assert evidence.at == START + 1300
    assert evidence.expected == pytest.approx(50, abs=1)
    assert evidence.effect is not None
    assert evidence.effect > 50
    assert evidence.detail.startswith("Event 'event-1300' has inputs.c1 = 900, beyond ")


def test_an_event_id_from_outside_cannot_break_the_sentence(player: Make, batch_of: Make) -> None:
    watched = player(OUTLIER)
    watched.feed(columns(rows(1, 1200)))
    batch = batch_of(columns(np.full((1, 4), 1e9)), 1200)
    batch.ids[0] = "evil\n@channel\x1b[31m" + "x" * 500
    (found,) = watched.watcher.observe(batch, batch.at)
    assert "\n" not in found.evidence.detail
    assert "\x1b" not in found.evidence.detail
    assert len(found.evidence.detail) < 400


def test_further_outliers_within_a_day_are_counted_and_told_with_the_next(player: Make) -> None:
    watched = player(OUTLIER)
    watched.feed(columns(rows(1, 1200)))
    monster = columns(np.full((1, 4), 1e6))
    assert len(watched.feed(monster)) == 1
    assert [watched.feed(monster) for _ in range(3)] == [[], [], []]
    assert watched.watcher.describe()["references"][0]["counted_since"] == 3
    watched.offset += DAY
    assert len(watched.feed(monster)) == 1
    watched.watcher.apply(Mark("rearm", START))
    assert len(watched.feed(monster)) == 1


def test_ordinary_values_of_a_heavy_tail_are_no_outliers(player: Make) -> None:
    rng = np.random.default_rng(4)
    heavy = np.stack([rng.lognormal(3, 1, 20_000), rng.exponential(5, 20_000)], axis=1)
    found = player(OUTLIER).feed(columns(heavy))
    assert len(found) <= 1
    (monster,) = player(OUTLIER).feed(columns(np.concatenate([heavy[:1500], [[1e5, 1.0]]])))
    assert monster.evidence.column == "inputs.c0"


def test_two_broken_values_in_the_reference_do_not_hide_a_third(player: Make) -> None:
    data = rows(5, 1500)
    data[[100, 700], 0] = 1e9
    data[1300, 0] = 1e8
    (found,) = player(OUTLIER).feed(columns(data))
    assert found.evidence.value == 1e8


def test_an_event_that_only_its_score_gives_away_is_told_too(player: Make) -> None:
    data = rows(6, 400)
    data[350] = [56, 44, 56, 44]  # each column is ordinary, the four together never were
    detect = Detect("outlier", ("inputs.*",), method="lof", parameters={"learn": 100, "calibrate": 150}, budget=False)
    (found,) = player(detect).feed(columns(data))
    assert found.evidence.at == START + 350
    assert found.evidence.statistic == "score of lof"
    assert "is unlike the 250 events of the reference" in found.evidence.detail


def test_bounds_lie_beyond_the_reference_and_follow_its_tail() -> None:
    rng = np.random.default_rng(7)
    flat, normal, heavy = rng.random(1000), rng.normal(0, 1, 1000), rng.lognormal(0, 1, 1000)
    assert 1 < upper_bound(flat, 1e-6) < 2
    assert 6 < upper_bound(normal, 1e-6) < 20
    assert 30 < upper_bound(heavy, 1e-6) < 400
    assert upper_bound(np.full(500, 3.0), 1e-6) == math.inf
    assert 5 < upper_bound(rng.integers(1, 6, 1000).astype(float), 1e-6) < 200
    assert upper_bound(normal, 1e-8) > upper_bound(normal, 1e-6)


@pytest.mark.parametrize("detect", [ANOMALY, OUTLIER])
def test_truth_batches_and_empty_columns_are_passed_over(player: Make, batch_of: Make, detect: Detect) -> None:
    watched = player(detect)
    watched.feed(columns(rows(1, 1200)))
    before = watched.digest()
    truth = batch_of({"truth.label": ["a"] * 50}, 1200, truth=True)
    assert watched.watcher.observe(truth, truth.at) == []
    assert watched.digest() == before
    empty = batch_of({"inputs.c0": [MISSING] * 50}, 1250)
    said = watched.watcher.describe()
    assert watched.watcher.observe(empty, empty.at) == []
    assert watched.watcher.describe() == said


@pytest.mark.parametrize("detect", [ANOMALY, OUTLIER])
def test_describe_is_plain_json(player: Make, detect: Detect) -> None:
    watched = player(detect)
    for _ in range(3):
        said = json.loads(json.dumps(watched.watcher.describe(), allow_nan=False))
        watched.feed(columns(rows(1, 600)))
    assert said["references"][0]["columns"] == [f"inputs.c{i}" for i in range(4)]


def test_each_segment_has_a_reference_of_its_own_up_to_the_cap(player: Make) -> None:
    watched = player(Detect("anomaly", ("inputs.*",), by=("context.s",), budget=False))
    data = dict(columns(rows(1, 700)))
    data["context.s"] = [f"s{i % 350}" for i in range(700)]
    (told,) = watched.feed(data)
    assert told.evidence.statistic == "not_watched"
    assert watched.watcher.describe()["series"] == {"warming": 200}
    assert watched.watcher.memory() < 1_000_000
