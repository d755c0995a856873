"""Killed at every named point, with a receiver that misbehaves in every way: a page is told, nothing is lost or doubled.

Every cell is a daemon of its own; several run at once, since what takes long is waiting for leases and deadlines.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from hook_target import ANSWERS
from kill_matrix import CELLS, Outcome, Story, problems
from survival import JOBS, SEED, drawn, keep

CHOSEN = drawn(CELLS)


class Runs:
    """The stories of all cells that are asked for, under way at the same time. `None` is the undisturbed run."""

    def __init__(self, folder: Path, wheel: Path, cells: list[tuple[str | None, str]]) -> None:
        self.pool = ThreadPoolExecutor(JOBS)
        self.folder, self.wheel = folder, wheel
        self.runs: dict[tuple[str | None, str], Future[Outcome]] = {}
        for number, cell in enumerate(cells):
            self.runs[cell] = self.pool.submit(self._run, number, *cell)

    def _run(self, number: int, point: str | None, answer: str) -> Outcome:
        return Story(self.folder / str(number), self.wheel, answer, point).run()


@pytest.fixture(scope="module")
def runs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Iterator[Runs]:
    asked = [item.callspec.params.get("cell") for item in request.session.items if hasattr(item, "callspec")]
    cells = [cell for cell in CHOSEN if cell in asked]
    undisturbed = [(None, answer) for answer in ANSWERS if any(answer == other for _, other in cells)]
    made = Runs(tmp_path_factory.mktemp("matrix"), wheel, [*undisturbed, *cells])
    yield made
    made.pool.shutdown(cancel_futures=True)


@pytest.mark.slow
@pytest.mark.parametrize("cell", CHOSEN, ids=[f"{point}-{answer}-seed{SEED}" for point, answer in CHOSEN])
def test_whatever_the_receiver_answers_a_death_loses_nothing_and_the_page_is_told(
    runs: Runs, cell: tuple[str, str]
) -> None:
    point, answer = cell
    where = {"point": point, "answer": answer}
    try:
        outcome, expected = runs.runs[cell].result(), runs.runs[None, answer].result()
    except BaseException as problem:
        keep("kill", f"{point} {answer}", {**where, "twice": 0, "problems": [repr(problem)]})
        raise
    assert expected.messages, "undisturbed, the receiver took nothing"
    found = problems(outcome, expected, point)
    keep("kill", f"{point} {answer}", {**where, **outcome.to_json(), "problems": found})
    assert not found


def test_the_matrix_has_every_point_with_every_answer() -> None:
    assert len(CELLS) == len(set(CELLS)) == 18 * 6
