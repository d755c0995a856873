from __future__ import annotations

import pickle
import random
from typing import Any

import numpy as np
import pytest
from river import __version__ as river_version
from river import drift

from monitor.core import state
from monitor.core.detectors.base import every
from monitor.core.detectors.methods import METHODS
from monitor.core.detectors.pickles import MAGIC, pack, unpack
from monitor.core.detectors.river_scalar import RiverScalar
from monitor.core.state import StateError

ORACLES: dict[str, Any] = {
    "page_hinkley": drift.PageHinkley,
    "kswin": drift.KSWIN,
    "ddm": drift.binary.DDM,
    "eddm": drift.binary.EDDM,
    "hddm_a": drift.binary.HDDMA,
    "hddm_w": drift.binary.HDDMW,
    "fhddm": drift.binary.FHDDM,
}
PARAMETERS: dict[str, dict[str, Any]] = {
    "page_hinkley": {"threshold": 20.0},
    "kswin": {"seed": 1, "window_size": 40, "stat_size": 15},
    "fhddm": {"sliding_window_size": 30},
}
NUMBERS = ("page_hinkley", "kswin")


def stream(method: str, seed: int, length: int = 400) -> list[float]:
    rng = random.Random(seed)
    levels = (0.1, 0.6, 0.1, 0.9)
    if method in NUMBERS:
        return [rng.gauss(5 * level, 1.0) for level in levels for _ in range(length // 4)]
    return [float(rng.random() < level) for level in levels for _ in range(length // 4)]


def river_says(method: str, values: list[float]) -> list[int]:
    detector = ORACLES[method](**PARAMETERS.get(method, {}))
    found = []
    for index, value in enumerate(values):
        if method in NUMBERS:
            detector.update(value)
        else:  # River's FHDDM looks for a fall, so an error has to be 0 there
            detector.update(1 - int(value) if method == "fhddm" else int(value))
        if detector.drift_detected:
            found.append(index)
    return found


@pytest.mark.parametrize("method", ORACLES)
def test_array_form_finds_what_river_finds_wherever_it_is_cut(method: str) -> None:
    values = stream(method, 3)
    wanted = river_says(method, values)
    assert wanted, "the stream must contain something to find"
    for size in (1, 17, len(values)):
        detector = RiverScalar(method, PARAMETERS.get(method, {}))
        found = []
        for start in range(0, len(values), size):
            found += [start + i for i in every(detector, np.array(values[start : start + size]))]
        assert found == wanted
    assert every(RiverScalar(method, PARAMETERS.get(method, {})), np.empty(0)) == []


@pytest.mark.parametrize("method", ORACLES)
def test_equal_states_are_equal_bytes_however_often_they_were_saved(method: str) -> None:
    values = np.array(stream(method, 5))
    undisturbed, moved = (RiverScalar(method, PARAMETERS.get(method, {})) for _ in range(2))
    for start in range(0, len(values), 57):
        part = values[start : start + 57]
        assert every(undisturbed, part) == every(moved, part)
        fresh = RiverScalar(method, PARAMETERS.get(method, {}))
        fresh.load(state.load(state.dump(moved.save())))
        moved = fresh
        assert moved.save() == undisturbed.save()


@pytest.mark.parametrize("method", ORACLES)
def test_the_parameters_a_rule_may_give_are_rivers_with_rivers_defaults(method: str) -> None:
    kind = "shift" if method in NUMBERS else "harm"
    table = METHODS[kind][method]
    ours = {"warm_up", "seed"}
    theirs = vars(ORACLES[method]())
    assert {name: theirs[name] for name in table.keys() - ours} == {
        name: table[name].default for name in table.keys() - ours
    }


def test_fhddm_finds_a_rise_of_errors_and_not_their_fall() -> None:
    rise = np.array([0.0] * 200 + [1.0] * 100)
    assert every(RiverScalar("fhddm", {"sliding_window_size": 30}), rise)
    assert not every(RiverScalar("fhddm", {"sliding_window_size": 30}), rise[::-1])


def test_a_pickle_of_another_river_is_refused() -> None:
    data = pack({"n": 1})
    other = MAGIC + bytes([5]) + b"0.9.9" + data[len(MAGIC) + 1 + len(river_version) :]
    assert unpack(data) == {"n": 1}
    with pytest.raises(StateError, match=r"River 0\.9\.9"):
        unpack(other)


class Evil:
    def __reduce__(self) -> Any:
        return eval, ("1/0",)


@pytest.mark.parametrize("body", [pickle.dumps({"x": Evil()}), b"", b"garbage", pickle.dumps([1])])
def test_a_pickle_that_names_anything_else_is_refused_without_running_it(body: bytes) -> None:
    frame = MAGIC + bytes([len(river_version)]) + river_version.encode()
    with pytest.raises(StateError):
        unpack(frame + body)
    for broken in (b"", b"nothing", frame):
        with pytest.raises(StateError):
            unpack(broken)


def test_nothing_is_packed_that_could_not_be_unpacked() -> None:
    with pytest.raises(pickle.UnpicklingError):
        pack({"x": random.Random(1).random})
