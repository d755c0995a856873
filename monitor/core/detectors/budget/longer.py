"""Longer blocks: how the shift arm sees a series whose own points depend on each other too much for its budget."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from monitor.core.detectors.budget.cells import Cells
from monitor.core.detectors.budget.points import FEWEST, Blocks, Points

HOUR = 3600.0
LENGTHS = (HOUR, 3 * HOUR, 6 * HOUR)  # seconds, tried in this order
FEW = 4  # blocks in a longer block; single values are as many as in every block
ENOUGH = 100  # longer blocks of a reference


class Longer(NamedTuple):
    """`length` in seconds; `rate` blocks a period in the reference, which held `n`. `ranked`: the points that they are
    made of are blocks themselves."""

    length: float
    rate: float
    n: int
    ranked: bool

    def blocks(self, raw: Cells) -> Blocks:
        """What makes such blocks of points, from none on. `raw` scores them where they are single values."""
        return Blocks(raw, self.length, FEW if self.ranked else FEWEST)


def merged(points: Points, raw: Cells) -> Iterator[tuple[float, Points]]:
    """The points of a reference in longer and longer blocks, while there are enough of them."""
    ranked = points.wide is not None
    for length in LENGTHS:
        found = Longer(length, 0.0, 0, ranked).blocks(raw).take(points)
        if found.n < ENOUGH:
            return
        if 2 * found.n <= points.n:
            yield length, found
