from __future__ import annotations

import re
import subprocess
import sys

import pytest

from monitor.core.columns import Columns
from monitor.core.detectors.build import detector_watcher
from monitor.core.detectors.methods import METHODS, parameters_of, problems
from monitor.core.rules.model import Absent, Detect, Position, Rule, Scalar


@pytest.mark.parametrize(("kind", "method"), [(k, m) for k, table in METHODS.items() for m in table])
def test_every_method_is_fine_with_its_defaults(kind: str, method: str) -> None:
    detect = Detect(kind, ("inputs.*",), method=method)  # type: ignore[arg-type]
    assert problems(detect) == []
    assert all(
        p.low <= parameters_of(detect)[name] <= p.high for name, p in METHODS[kind][method].items()
    )  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "method", "parameters", "words"),
    [
        ("shift", "adwinn", {}, "did you mean 'adwin'"),
        ("shift", "ddm", {}, "shift has no detector 'ddm'"),
        ("shift", "adwin", {"dleta": 0.1}, "did you mean 'delta'"),
        ("shift", "adwin", {"delta": "small"}, "must be a number, not 'small'"),
        ("shift", "adwin", {"clock": 1.5}, "must be a whole number"),
        ("shift", "adwin", {"clock": True}, "must be a whole number"),
        ("shift", "adwin", {"delta": float("nan")}, "must be a number"),
        ("shift", "adwin", {"delta": 2}, "between 1e-12 and 0.5"),
        ("shift", "kswin", {"stat_size": 90}, "at most half"),
        ("harm", "eddm", {"alpha": 0.5}, "must not be below its beta"),
        ("anomaly", "half_space_trees", {"height": 15}, "between 1 and 10"),
        ("anomaly", "half_space_trees", {"n_trees": 51}, "between 1 and 50"),
        ("outlier", "half_space_trees", {"window_size": 600}, "must not exceed learn"),
        ("anomaly", "sad", {"height": 3}, "sad has no parameter 'height'"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(kind: str, method: str, parameters: dict[str, Scalar], words: str) -> None:
    detect = Detect(kind, ("inputs.*",), method=method, parameters=parameters)  # type: ignore[arg-type]
    (problem,) = problems(detect)
    assert words in problem
    assert problem.endswith(".")
    with pytest.raises(ValueError, match=re.escape(problem)):
        detector_watcher(Rule("p", "R", detect, "low", Position("f", 1, 1)), "m", Columns())


@pytest.mark.parametrize(
    ("detect", "words"),
    [
        (Detect("shift", ("a",), tolerance=0.5), "tolerance of shift"),
        (Detect("harm", (), of="a > 1", tolerance=-0.1), "tolerance of harm"),
        (Detect("quality", ("a",), by=("b",)), "leave out by"),
        (Detect("quality", ("a",), checks=("mising",)), "did you mean 'missing'"),
    ],
)
def test_what_is_wrong_beside_parameters_is_said_too(detect: Detect, words: str) -> None:
    assert words in problems(detect)[0]


def test_whole_numbers_may_be_written_as_floats_and_reach_river_as_whole() -> None:
    given = parameters_of(Detect("shift", ("a",), parameters={"clock": 16.0, "delta": 0}))
    assert given["clock"] == 16
    assert type(given["clock"]) is int
    assert type(given["delta"]) is float


def test_a_rule_of_another_form_is_refused() -> None:
    rule = Rule("p", "R", Absent(60.0), "low", Position("f", 1, 1))
    with pytest.raises(ValueError, match="p/R is no detect rule"):
        detector_watcher(rule, "m", Columns())


def test_checking_a_rule_imports_no_river() -> None:
    code = "import sys, monitor.core.detectors.methods; assert not [m for m in sys.modules if m.startswith('river')]"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
