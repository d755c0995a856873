from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.state import StateError, dump, load
from monitor.core.windows.panes import Field, Panes

YEAR_9999 = 253_000_000_000.0


def ring(over: float = 10.0, panes: int = 5, periods: int = 1) -> Panes:
    made = Panes(over, panes, periods, {"n": Field("i8")})
    made.room(1)
    return made


def add(panes: Panes, clock: list[float]) -> None:
    _, column = panes.place(np.array(clock))
    np.add.at(panes.flat("n"), column, np.ones(len(column), dtype=np.int64))


def total(panes: Panes, at: float) -> int:
    return int(panes["n"][:, panes.live(at)].sum())


def test_the_window_is_the_running_pane_and_those_before_it() -> None:
    panes = ring()
    add(panes, [0.0, 1.9, 2.0, 9.0, 10.0, 11.0])
    assert total(panes, 11.9) == 6  # panes 0 to 5
    assert total(panes, 12.0) == 4  # pane 0 left
    assert total(panes, 13.9) == 4
    assert panes.length(11.9) == pytest.approx(11.9)
    assert panes.length(12.0) == pytest.approx(10.0)


def test_two_periods_are_equally_long_and_leave_the_running_pane_out() -> None:
    panes = ring(periods=2)
    add(panes, [float(second) for second in range(22)])
    columns = [panes.period(21.0, back) for back in (0, 1)]
    assert [int(panes["n"][:, c].sum()) for c in columns] == [10, 10]
    assert not (columns[0] & columns[1]).any()


def test_a_jump_to_the_year_9999_empties_the_ring_and_counts_later_rows_as_late() -> None:
    panes = ring()
    add(panes, [1.0, YEAR_9999])
    assert total(panes, YEAR_9999) == 1
    kept, column = panes.place(np.array([3.0, YEAR_9999 + 1]))
    assert len(column) == 1
    assert np.asarray(kept).tolist() == [1]
    assert panes.late == 1


def test_rows_that_leave_the_window_within_one_batch_are_not_late() -> None:
    panes = ring()
    add(panes, [0.0, 100.0, 200.0])
    assert panes.late == 0
    assert total(panes, 200.0) == 1


@given(st.lists(st.floats(0.0, 40.0), min_size=1, max_size=40), st.floats(0.0, 60.0))
def test_totals_equal_a_list_of_the_rows(gaps: list[float], wait: float) -> None:
    clock = np.cumsum(gaps)
    panes = ring()
    add(panes, clock.tolist())
    at = float(clock[-1]) + wait
    now = np.floor(at / panes.width)
    expected = sum(now - 5 <= np.floor(row / panes.width) <= now for row in clock)
    assert total(panes, at) == expected


def test_a_saved_ring_refuses_another_geometry() -> None:
    panes = ring()
    add(panes, [1.0])
    saved = load(dump(panes.save()))
    again = ring()
    again.load(saved)
    assert dump(again.save()) == dump(panes.save())
    with pytest.raises(StateError, match="field n has shape"):
        ring(panes=6).load(saved)
