"""Errors that are expected by confidence: what it was worth is learned, frozen, shown, and held against what comes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.core import state
from monitor.core.detectors.budget.tell import row_sentences
from monitor.core.detectors.estimated.bets import bets_of
from monitor.core.detectors.estimated.calibration import UNIT, fit_calibration
from monitor.core.detectors.estimated.performance import PANE, Performance
from monitor.core.events import Batch
from monitor.core.modelwatch import ModelWatch
from monitor.core.rules.model import Book, Detect, Pack, Position, Rule
from monitor.core.watcher import Mark

Make = Callable[..., Any]
WEEK = 2016
DETECT = Detect("estimated_errors", ("output.confidence",), of="output.overridden == 1")
USUAL, WORSE = (20.0, 2.0), (8.0, 3.0)  # of the beta distribution of confidence


def answers(seed: int, n: int, shape: tuple[float, float] = USUAL, honest: float = 0.5) -> dict[str, list[Any]]:
    """Answers given with confidence c, of which honest * (1 - c) are wrong."""
    rng = np.random.default_rng(seed)
    sure = rng.beta(*shape, n)
    return {
        "output.confidence": sure.tolist(),
        "output.overridden": (rng.random(n) < honest * (1 - sure)).astype(float).tolist(),
    }


def watching(player: Make, detect: Detect = DETECT, **more: Any) -> Any:
    watched = player(detect, **more)
    assert watched.feed(answers(1, 2 * WEEK)) == []
    watched.arm()
    return watched


def row_of(watched: Any) -> dict[str, Any]:
    (row,) = watched.watcher.describe()["references"]
    return row  # type: ignore[no-any-return]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 999), st.sampled_from([50, 199, 200, 1000, 5000]))
def test_more_confidence_is_never_worth_less_and_the_mean_error_is_that_of_the_truth(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    sure = rng.integers(0, UNIT + 1, n) if seed % 2 else rng.choice([5000, 9000, 9500], n)
    wrong = (rng.random(n) < (0.3 if seed % 3 else 1 - sure / UNIT)).astype(np.int64)
    calibration = fit_calibration(sure, wrong)
    assert (calibration.n, calibration.wrong) == (n, wrong.sum())
    every, doubts = calibration.of(np.arange(UNIT + 1))
    assert (np.diff(every) <= 0).all() and every.min() >= 0 and every.max() <= UNIT
    if n < 200:
        assert not calibration.learned and (every == UNIT - np.arange(UNIT + 1)).all() and not doubts.any()
    else:
        assert calibration.of(sure)[0].mean() == pytest.approx(UNIT * wrong.mean(), abs=1.0)
        assert (doubts > 0).all()


@settings(max_examples=40, deadline=None)
@given(st.floats(0.001, 0.9), st.floats(0.0, 0.3), st.integers(0, 999))
def test_bets_are_fair_for_every_distribution_of_errors_whose_mean_is_tolerated(
    mean: float, spread: float, seed: int
) -> None:
    bets = bets_of(500.0, mean, spread, 0.01, careful=False)
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, UNIT + 1, 50)
    chances = rng.dirichlet(np.ones(50))
    low = min(bets.upper / max(float((chances * codes).sum()) / UNIT, 1e-9), 1.0)  # the rest of the chance is on 0
    codes, chances = np.append(codes, 0), np.append(chances * low, 1 - low)
    ratios = bets.ratios(codes)
    assert ratios.min() > 0
    assert (chances[:, None] * ratios).sum(axis=0).max() <= 1 + 1e-9


def test_errors_to_be_expected_that_rise_are_one_finding_with_its_assumption(player: Make) -> None:
    watched = watching(player)
    assert watched.feed(answers(2, WEEK)) == []
    changed = watched.now
    (found,) = watched.feed(answers(3, 200, WORSE))
    evidence = found.evidence
    assert evidence.statistic == "estimated errors: e-detector"
    assert 0 < evidence.at - changed < 60 * 300
    assert evidence.interval[0] < evidence.effect < evidence.interval[1]
    assert evidence.expected == pytest.approx(0.045, abs=0.01)
    for words in ("are expected to be wrong where the reference had", "assumes that confidence stays as honest"):
        assert words in evidence.detail


def test_nothing_changed_and_nothing_pages(player: Make) -> None:
    assert sum(len(watching(player).feed(answers(seed, 10 * WEEK), cuts=5000)) for seed in (5, 6)) <= 1


def test_the_estimate_is_right_while_confidence_is_honest_and_says_so_when_it_is_no_more(player: Make) -> None:
    watched = watching(player)
    came = answers(4, WEEK, WORSE)
    watched.feed(came)
    row = row_of(watched)
    low, high = row["estimate"]["interval"]
    assert row["estimate"]["n"] <= WEEK
    assert low < np.mean(came["output.overridden"]) < high
    assert "no longer" not in " ".join(row_sentences(row)) and "worth something else" not in " ".join(row["says"])
    assert "4,032 answers whose truth came" in row["assumes"]
    watched = watching(player)
    watched.feed(answers(5, WEEK, honest=2.0))
    assert "confidence is worth something else by now" in " ".join(row_sentences(row_of(watched)))


def test_without_truth_confidence_is_taken_as_it_is_and_that_is_said(player: Make) -> None:
    watched = watching(player, Detect("estimated_errors", ("output.confidence",)))
    row = row_of(watched)
    assert row["usual"] == pytest.approx(2 / 22, abs=0.005)
    assert "honest as it stands" in row["assumes"] and "for none" in row["assumes"]
    assert len(watched.feed(answers(3, 200, WORSE))) == 1


def test_the_same_confidence_for_every_answer_is_refused_in_a_sentence(player: Make) -> None:
    watched = player(DETECT)
    watched.feed({"output.confidence": [0.9] * 2 * WEEK, "output.overridden": [0.0] * 2 * WEEK})
    watched.arm()
    assert "confidence tells nothing" in row_of(watched)["refused"]


def test_what_is_no_probability_is_left_out_and_counted(player: Make) -> None:
    watched = player(DETECT)
    columns = {"output.confidence": [95.0, -0.1, 0.5, "high", None], "output.overridden": [0.0] * 5}
    watched.feed(columns)
    assert row_of(watched)["collected"] == 1
    assert "2 values of output.confidence lay outside 0 to 1" in watched.watcher.describe()["not_covered"]


@pytest.mark.parametrize("cuts", [1, 7, 500])
def test_cuts_and_reloads_in_the_middle_of_a_reference_change_no_bit(player: Make, cuts: int) -> None:
    def play(size: int, reload: bool) -> str:
        watched = player(DETECT, step=1800.0)  # two weeks are 672 events: the reference is done on the way
        watched.feed(answers(1, 600), cuts=1000)
        watched.feed(answers(2, 150), cuts=size, reload=reload)
        watched.feed(answers(3, 100, WORSE), cuts=size, reload=reload)
        return watched.digest()  # type: ignore[no-any-return]

    assert play(cuts, True) == play(1000, False)


def test_state_is_small_once_armed_and_bounded_while_learning(player: Make) -> None:
    watched = watching(player)
    watched.feed(answers(2, 300, WORSE))
    saved = watched.watcher.save()
    assert len(state.dump(saved["entries"]["entries"])) < 2000
    learning = player(DETECT, step=1.0)
    learning.feed(answers(1, 60_000), cuts=20_000)
    assert learning.watcher.memory() < 500_000


def test_the_week_of_the_estimate_moves_on_and_cuts_change_nothing() -> None:
    clock = np.sort(np.random.default_rng(1).uniform(0, 30 * PANE, 4000))
    errors = np.random.default_rng(2).integers(0, 1000, 4000)
    whole, pieces = Performance(), Performance()
    whole.add(clock, errors, errors // 10)
    for start in range(0, 4000, 37):
        part = slice(start, start + 37)
        pieces.add(clock[part], errors[part], errors[part] // 10)
    assert whole.estimate() == pieces.estimate()
    late = clock >= 16 * PANE
    found = whole.estimate()
    assert found is not None
    assert found.n == late.sum()
    assert found.rate == pytest.approx(errors[late].mean() / UNIT)


def test_truth_that_comes_later_calibrates_what_is_watched_as_it_comes() -> None:
    """Through the join: confidence counts when the answer comes, what it was worth when its truth does."""
    form = Detect("estimated_errors", ("output.confidence",), of="output.label != truth.label")
    rule = Rule("p", "R", form, "high", Position("p.yaml", 1, 1), stage="shadow", resolve="person")
    part = ModelWatch("m", Book((Pack("p", ("*",), (rule,)),), "digest"), 0.0)
    start, step, offset = 1_700_000_000.0, 900.0, 0

    def batch(ids: Sequence[int], columns: dict[str, list[Any]], truth: bool) -> Batch:
        nonlocal offset
        at = start + np.array(ids) * step + (6 * 3600.0 if truth else 0.0)
        made = Batch(
            model="m",
            ids=[str(i) for i in ids],
            at=at,
            recorded_at=np.maximum.accumulate(at),
            offsets=np.arange(offset, offset + len(ids)),
            columns=columns,
            versions=[None] * len(ids),
            truth=truth,
        )
        offset += len(ids)
        return made

    came = answers(1, 1000)
    found = []
    for day in range(10):
        ids = range(96 * day, 96 * (day + 1))
        sure = [came["output.confidence"][i] for i in ids]
        labels = ["b" if came["output.overridden"][i] else "a" for i in ids]
        events = batch(ids, {"output.confidence": sure, "output.label": ["a"] * len(ids)}, truth=False)
        found += part.observe(events)
        found += part.observe(batch(ids, {"truth.label": labels}, truth=True))
    (row,) = part.watchers["p/R"].describe()["references"]
    assert found == [] and row["state"] == "watching"
    assert "among 672 answers whose truth came" in row["assumes"]  # those of the week after which it was armed
    assert row["checked"]["n"] > 200 and row["estimate"]["n"] > 200
    (shown,) = part.watchers["p/R"].estimates()  # type: ignore[attr-defined]
    assert shown["rule"] == "p/R" and shown["estimate"] == row["estimate"]
    part.apply(Mark("rearm", start + 10 * 86400.0, "m", "p/R"))
    again = ModelWatch("m", part.book, 0.0)
    assert again.load(state.load(state.dump(part.save()))) == []
    assert state.dump(again.save()) == state.dump(part.save())
