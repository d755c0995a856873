"""Drawn streams have the moments, dependence and seasons they promise, and change where they say."""

from __future__ import annotations

import pickle
from itertools import pairwise

import numpy as np
import pytest

from bench.quality.stream import DAY, WEEK
from bench.quality.streams import processes as p
from bench.quality.streams.drawn import CHANGES, FAMILIES, Drawn, changed
from bench.quality.streams.faults import FAULTS, Fault, Traffic
from bench.quality.streams.folder import arrival

N = 200_000


def correlation(values: np.ndarray, lag: int) -> float:
    centred = values - values.mean()
    return float((centred[lag:] * centred[:-lag]).mean() / centred.var())


@pytest.fixture
def draw() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.mark.parametrize("phi", [0.5, 0.9])
def test_autoregression_is_stationary_with_the_promised_correlation(draw: np.random.Generator, phi: float) -> None:
    values = p.autoregressive(draw, N, phi)
    assert values.var() == pytest.approx(1.0, abs=0.06)
    assert [correlation(values, k) for k in (1, 2, 5)] == pytest.approx([phi, phi**2, phi**5], abs=0.02)
    starts = [p.autoregressive(np.random.default_rng(seed), 2, phi) for seed in range(4000)]
    assert np.var([pair[0] for pair in starts]) == pytest.approx(1.0, abs=0.08)


def test_long_memory_has_the_correlations_of_fractional_noise(draw: np.random.Generator) -> None:
    runs = np.array([p.long_memory(draw, 20_000) for _ in range(20)])
    assert (runs**2).mean() == pytest.approx(1.0, abs=0.08)
    assert (runs[:, 1:] * runs[:, :-1]).mean() / (runs**2).mean() == pytest.approx(0.35 / 0.65, abs=0.05)
    assert (runs[:, 100:] * runs[:, :-100]).mean() / (runs**2).mean() > 0.08


def test_stochastic_volatility_has_no_correlation_but_its_squares_do(draw: np.random.Generator) -> None:
    values = p.stochastic_volatility(draw, N)
    assert values.var() == pytest.approx(1.0, abs=0.2)
    assert abs(correlation(values, 1)) < 0.03
    assert correlation(np.abs(values), 1) > 0.1


def test_students_t_has_variance_one_and_heavy_tails(draw: np.random.Generator) -> None:
    values = p.student(draw, N)
    assert np.median(np.abs(values)) == pytest.approx(0.7649 / np.sqrt(3), abs=0.01)
    assert (np.abs(values) > 5).mean() > 20 * 5.7e-7


def test_seasons_repeat_by_the_day_and_the_week() -> None:
    days = np.arange(0, 14, 1 / 288)
    assert np.allclose(p.daily(days), p.daily(days + 3))
    assert np.allclose(p.weekly(days), p.weekly(days + 7))
    assert p.weekend(days).reshape(14, -1).max(1).tolist() == [0, 0, 0, 0, 0, 1, 1] * 2


def test_day_levels_are_constant_within_a_day(draw: np.random.Generator) -> None:
    levels = p.day_levels(draw, np.arange(0, 400, 1 / 24), 0.5).reshape(400, 24)
    assert (np.ptp(levels, axis=1) == 0).all()
    assert levels.std() == pytest.approx(0.5, abs=0.06)


def test_bursts_are_as_rare_and_as_long_as_they_say(draw: np.random.Generator) -> None:
    days = np.arange(0, 3000, 1 / 288)
    high = p.bursts(draw, days, every=3.0, lasts=1 / 48, height=4.0)
    assert set(high.tolist()) == {0.0, 4.0}
    assert (high > 0).mean() == pytest.approx(1 / 144, rel=0.12)


@pytest.mark.parametrize("family", list(FAMILIES))
def test_every_family_is_reproducible_and_in_order(family: str) -> None:
    stream = Drawn(family, 3, weeks=1.0)
    at, values = stream.arrays()
    again, same = pickle.loads(pickle.dumps(stream)).arrays()
    assert np.array_equal(at, again)
    assert np.array_equal(values, same, equal_nan=True)
    assert (np.diff(at) >= 0).all()
    assert values.shape[-1] == len(at)
    other = Drawn(family, 4, weeks=1.0).arrays()[1]
    assert not np.array_equal(values, other, equal_nan=True)


def test_families_have_the_moments_they_promise() -> None:
    def of(family: str) -> np.ndarray:
        return Drawn(family, 1, weeks=60.0).arrays()[1]

    assert of("bernoulli-0.01").mean() == pytest.approx(0.01, abs=0.001)
    assert of("bernoulli-0.05").mean() == pytest.approx(0.05, abs=0.002)
    assert np.isnan(of("missing-5%")).mean() == pytest.approx(0.05, abs=0.003)
    assert np.log(of("log-normal")).std() == pytest.approx(1.0, abs=0.01)
    counts = of("poisson-season")
    assert (counts == np.round(counts)).all()
    twenty = np.corrcoef(Drawn("twenty-0.7", 1, weeks=2.0).arrays()[1])
    assert twenty[np.triu_indices(20, 1)].mean() == pytest.approx(0.7, abs=0.02)
    gaps = np.diff(Drawn("irregular", 1, weeks=30.0).arrays()[0])
    assert gaps.mean() == pytest.approx(300.0, rel=0.02)
    assert gaps.std() == pytest.approx(300.0, rel=0.03)


def test_seasonal_families_have_their_season() -> None:
    values = Drawn("daily", 1, weeks=60.0).arrays()[1][: 288 * 400].reshape(400, 288)
    assert np.abs(values.mean(0) - p.daily(np.arange(288) / 288)).max() < 0.2
    weeks = Drawn("weekend-level", 1, weeks=58.0).arrays()[1][: 2016 * 60].reshape(60, 7, 288)
    level = weeks.mean((0, 2))
    assert level[:5].mean() - level[5:].mean() == pytest.approx(1.5, abs=0.05)
    spread = Drawn("noise-by-hour", 1, weeks=58.0).arrays()[1][: 288 * 400].reshape(400, 288).std(0)
    assert spread.max() / spread.min() > 2.0


@pytest.mark.parametrize("kind", list(CHANGES))
def test_a_change_begins_where_the_truth_says(kind: str) -> None:
    stream = changed(kind, 5)
    at, values = stream.arrays()
    (change,) = stream.truth.changes
    before = at < change
    calm = Drawn(stream.family, 5, weeks=1.0, change=kind)
    assert np.array_equal(values[..., before], calm.arrays()[1][..., before])
    assert at[-1] == pytest.approx(change + stream.truth.horizon, abs=600)
    assert stream.truth.reference_until + 0.5 * WEEK <= change <= stream.truth.reference_until + 1.5 * WEEK


def test_changes_are_of_the_promised_size() -> None:
    def after(kind: str, seed: int = 2) -> np.ndarray:
        stream = changed(kind, seed)
        at, values = stream.arrays()
        return values[..., at >= stream.truth.changes[0]]

    assert abs(after("shift-2sd").mean()) == pytest.approx(2.0, abs=0.1)
    assert after("variance-x2").var() == pytest.approx(2.0, abs=0.25)
    assert after("variance-/4").var() == pytest.approx(0.25, abs=0.04)
    assert after("rate-.05-.20").mean() == pytest.approx(0.2, abs=0.03)
    assert abs(after("gradual-day")[-500:].mean()) == pytest.approx(1.0, abs=0.15)
    assert abs(after("single-outlier")[0]) == 8.0
    assert (np.abs(after("three-of-twenty-1sd").mean(1)) > 0.5).sum() == 3


def test_streams_come_in_batches_that_are_the_whole() -> None:
    stream = Drawn("twenty-0", 1, weeks=1.0)
    batches = list(stream.batches())
    at, values = stream.arrays()
    assert np.array_equal(np.concatenate([b.at for b in batches]), at)
    joined = [value for b in batches for value in b.columns["inputs.x7"]]
    assert joined == values[7].tolist()
    assert all(a.offsets[-1] + 1 == b.offsets[0] for a, b in pairwise(batches))


@pytest.mark.parametrize("kind", list(FAULTS))
def test_faults_last_a_year(kind: str) -> None:
    stream = Fault(kind)
    batches = list(stream.batches())
    recorded = np.concatenate([b.recorded_at for b in batches])
    assert (np.diff(recorded) >= 0).all()
    assert recorded[-1] - stream.truth.reference_until >= 51.5 * WEEK
    assert recorded[-1] - stream.truth.reference_until <= 52.5 * WEEK


def test_traffic_changes_after_the_reference_only() -> None:
    at = np.concatenate([b.at for b in Traffic(1, 10.0, weeks=1.0).batches()])
    until = Traffic(1, 10.0).truth.reference_until
    assert (at < until).sum() == 4032
    assert (at >= until).sum() == 20160


def test_single_wild_times_do_not_move_the_clock_of_arrival() -> None:
    at = np.arange(10.0) * 60
    wild = at.copy()
    wild[4] = 2e9
    assert arrival(at).tolist() == at.tolist()
    assert np.abs(arrival(wild) - at).max() <= 120
    wild[4] = -2e9
    assert np.abs(arrival(wild) - at).max() <= 120


def test_random_numbers_depend_on_nothing_but_the_stream() -> None:
    np.random.default_rng(0).random(10)
    first = Drawn("iid", 1, weeks=1.0).arrays()[1]
    other_rate = Drawn("iid", 1, rate=4032.0, weeks=1.0).arrays()[1]
    assert not np.array_equal(first[:100], other_rate[:100])
    assert Drawn("iid", 1, weeks=1.0).truth.season == DAY
