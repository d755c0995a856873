"""The form of the evaluation that runs with every change, on seeds that never change."""

from __future__ import annotations

import pytest

from bench.quality.__main__ import short_form
from bench.quality.systems.overloop import Overloop


@pytest.mark.slow
def test_the_budget_holds_and_a_shift_is_found(capsys: pytest.CaptureFixture[str]) -> None:
    assert short_form(1) == 0, capsys.readouterr().err
    assert "shift of 2 sd" in capsys.readouterr().out


@pytest.mark.slow
def test_a_detector_that_pages_too_often_fails(capsys: pytest.CaptureFixture[str]) -> None:
    nervous = Overloop(detect='{shift: "inputs.*", tolerance: 0}', budget=500.0)
    assert short_form(1, nervous) == 1
    assert "All families together" in capsys.readouterr().err
