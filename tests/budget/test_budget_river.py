"""River's detectors under the budget: ranks in, set so that they are rare on noise."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from monitor.core.detectors.base import every
from monitor.core.detectors.methods import METHODS, parameters_of
from monitor.core.detectors.ranked.calibrate import answers, calibrated, prepared, rounded
from monitor.core.detectors.ranked.watcher import RankedWatcher, tuned_parameters
from monitor.core.detectors.shift import scalar_maker
from monitor.core.detectors.stream_watcher import StreamWatcher
from monitor.core.rules.model import ColumnSetting, Detect

Make = Callable[..., Any]
WEEK = 2016
WRONG = "output.label != truth.label"


def shift(method: str, **more: Any) -> Detect:
    return Detect("shift", ("inputs.*",), method=method, **more)


def noise(seed: int, n: int, level: float = 0.0) -> list[float]:
    return (np.random.default_rng(seed).normal(0, 1, n) + level).tolist()  # type: ignore[no-any-return]


def wrong(seed: int, n: int, rate: float) -> dict[str, list[Any]]:
    bad = np.random.default_rng(seed).random(n) < rate
    return {"output.label": ["a"] * n, "truth.label": ["b" if b else "a" for b in bad]}


def parameters(kind: str, method: str) -> dict[str, Any]:
    return tuned_parameters(Detect(kind, ("a",), of="a > 1", method=method))  # type: ignore[arg-type]


@pytest.mark.parametrize("method", ["adwin", "page_hinkley"])
def test_on_fresh_noise_a_tuned_detector_alarms_about_as_rarely_as_asked(method: str) -> None:
    run = 1000.0
    own = calibrated(method, parameters("shift", method), run, None)
    assert own is not None
    ranks = np.random.default_rng(99).random(100_000)
    alarms = len(every(scalar_maker(method, own)(), prepared(method, ranks)))
    assert 20 <= alarms <= 125  # a hundred are allowed


@pytest.mark.parametrize("method", ["adwin", "page_hinkley", "ddm", "fhddm"])
def test_on_answers_of_the_rate_it_is_tuned_to_an_alarm_is_as_rare_as_asked(method: str) -> None:
    own = calibrated(method, parameters("harm", method), 1000.0, 0.08)
    assert own is not None
    more = {"mode": "up"} if method == "page_hinkley" else {}
    bad = np.random.default_rng(98).random(60_000) < 0.08
    assert len(every(scalar_maker(method, own, **more)(), answers(method, bad, 0.08))) <= 80


def test_run_lengths_beyond_what_is_played_are_extrapolated_and_grow() -> None:
    places = [calibrated("adwin", parameters("shift", "adwin"), run, None) for run in (1e3, 1e4, 1e6)]
    deltas = [place["delta"] for place in places if place is not None]
    assert len(deltas) == 3
    assert deltas[0] > deltas[1] > deltas[2] > 0
    assert calibrated("kswin", parameters("shift", "kswin"), 5000.0, None)["alpha"] == 1 / 5000  # type: ignore[index]


def test_a_run_length_is_rounded_up() -> None:
    assert rounded(2016.5) == 2048
    assert rounded(2048.0) == 2048
    assert rounded(1.0) == 64


@pytest.mark.parametrize(("method", "most"), [("adwin", 45), ("page_hinkley", 60)])
def test_a_shift_by_a_standard_deviation_is_found_and_nothing_before(player: Make, method: str, most: float) -> None:
    delays, pages = [], 0
    for seed in range(5):
        watched = player(shift(method))
        assert isinstance(watched.watcher, RankedWatcher)
        watched.feed({"inputs.x": noise(seed, 2000)})
        watched.arm()
        pages += len(watched.feed({"inputs.x": noise(100 + seed, 500)}))
        changed = watched.now
        found = watched.feed({"inputs.x": noise(200 + seed, 200, 1.0)})
        delays += [(f.evidence.at - changed) / 300 for f in found]
    assert pages <= 2
    assert len(delays) >= 4
    assert np.mean(delays) < most


def test_the_finding_says_how_rare_the_detector_is_on_noise(player: Make) -> None:
    watched = player(shift("adwin"))
    watched.feed({"inputs.x": noise(1, 2000)})
    watched.arm()
    (found,) = watched.feed({"inputs.x": noise(2, 100) + noise(3, 100, 2.0)})
    assert found.evidence.statistic == "adwin on ranks"
    # a week of reference is worth half of the budget
    assert found.evidence.detail.endswith(" (ADWIN, set to one false alarm in 4,096 values).")
    (row,) = watched.watcher.describe()["references"]
    assert row["detector"] == "ADWIN"
    assert row["false_alarm_every"] == pytest.approx(2 * WEEK, rel=0.02)


def test_seasons_are_taken_off_before_ranks_go_in(player: Make) -> None:
    def season(seed: int, days: int) -> dict[str, list[float]]:
        t = np.arange(288 * days)
        return {"inputs.x": (3 * np.sin(2 * np.pi * t / 288) + np.array(noise(seed, len(t)))).tolist()}

    watched = player(shift("adwin"))
    watched.feed({path: column[:2000] for path, column in season(1, 7).items()})
    watched.arm()
    watched.offset = 7 * 288
    assert len(watched.feed(season(2, 28), cuts=5000)) <= 5


@pytest.mark.parametrize("method", ["adwin", "page_hinkley", "fhddm"])
def test_errors_that_become_frequent_are_found_and_a_fall_is_not(player: Make, method: str) -> None:
    detect = Detect("harm", (), of=WRONG, method=method)
    watched = player(detect)
    watched.feed(wrong(1, 2000, 0.05))
    watched.arm()
    assert watched.feed(wrong(2, 200, 0.05)) == []
    found = watched.feed(wrong(3, 300, 0.3))
    assert found[0].evidence.statistic == f"{method} on answers"
    calm = player(detect)
    calm.feed(wrong(1, 2000, 0.4))
    calm.arm()
    assert calm.feed(wrong(4, 600, 0.05)) == []


def test_with_budget_none_it_is_rivers_own(player: Make) -> None:
    for method in METHODS["shift"]:
        assert isinstance(player(dataclasses.replace(shift(method), budget=False)).watcher, StreamWatcher)


def test_a_detector_that_cannot_be_made_rare_enough_is_refused_in_a_sentence(player: Make) -> None:
    watched = player(Detect("harm", (), of=WRONG, method="eddm"), budget=0.0001)
    watched.feed(wrong(1, 2000, 0.05))
    watched.arm()
    watched.feed(wrong(2, 200, 0.05))
    (note,) = watched.watcher.describe()["notes"]
    assert note == "EDDM cannot be made rare enough for the budget; leave out with, or write budget: none."


TURNED = {
    "adwin": "delta",
    "page_hinkley": "threshold",
    "kswin": "alpha",
    "ddm": "drift_threshold",
    "hddm_w": "drift_confidence",
    "fhddm": "confidence_level",
}


@pytest.mark.parametrize("method", TURNED)
def test_a_detector_goes_on_from_what_it_has_seen_when_it_is_set_anew(method: str) -> None:
    kind = "shift" if method in ("adwin", "page_hinkley", "kswin") else "harm"
    parameters = parameters_of(Detect(kind, ("inputs.x",), method=method))  # type: ignore[arg-type]
    knob = TURNED[method]
    values = np.random.default_rng(1).random(400)
    if kind == "harm":
        values = (values < 0.1).astype(float)
    plain, turned = (scalar_maker(method, parameters)() for _ in range(2))
    assert plain.first(values) == turned.first(values)
    turned.retune(parameters | {knob: parameters[knob] * 0.99})
    turned.retune(parameters)
    assert json.dumps(plain.save(), default=repr) == json.dumps(turned.save(), default=repr)
    fresh = scalar_maker(method, parameters)()
    assert json.dumps(fresh.save(), default=repr) != json.dumps(turned.save(), default=repr)


def test_a_series_that_is_newly_armed_does_not_make_the_others_forget(player: Make) -> None:
    detect = Detect("shift", ("inputs.*",), method="adwin")
    watched = player(detect, step=1800.0)
    watched.columns.configure({"inputs.x": ColumnSetting("number"), "inputs.y": ColumnSetting("number")})
    rng = np.random.default_rng(1)
    watched.feed({"inputs.x": rng.normal(0, 1, 700).tolist()})
    entry = next(e for key, e in watched.watcher._entries.entries.items() if key[2] == "inputs.x")
    watched.feed({"inputs.x": rng.normal(0, 1, 300).tolist()})
    asked, detector = entry.tuned.asked, entry.tuned.detector
    watched.feed({"inputs.x": rng.normal(0, 1, 400).tolist(), "inputs.y": rng.normal(0, 1, 400).tolist()})
    assert watched.states == ["watching", "watching"]
    assert entry.tuned.asked > asked
    assert entry.tuned.detector is detector
