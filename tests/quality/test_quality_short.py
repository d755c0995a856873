"""The form of the evaluation that runs with every change, on seeds that never change."""

from __future__ import annotations

import pytest

from bench.quality.__main__ import short_form


@pytest.mark.slow
def test_the_budget_holds_and_a_shift_is_found(capsys: pytest.CaptureFixture[str]) -> None:
    assert short_form(1) == 0, capsys.readouterr().err
    assert "shift of 2 sd" in capsys.readouterr().out
