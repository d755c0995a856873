"""How many different values: HyperLogLog in panes.

Flajolet, Fusy, Gandouet, Meunier, "HyperLogLog" (2007), with the estimator of Ertl, "New cardinality estimation
algorithms for HyperLogLog sketches" (2017), which needs no correction for small or large counts.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from monitor.core.events import Bools, Floats, Ints
from monitor.core.windows.hashing import Hashes
from monitor.core.windows.panes import Field
from monitor.core.windows.window import SKETCH_PANES, Window, padded

BITS = 10  # 1,024 registers: standard error 3.3 %, 13 kB a window of 13 panes
REGISTERS = 1 << BITS
RANK_BITS = 52  # of the hash that give the rank: as many as a float64 holds exactly


class Distinct(Window):
    """The number of different values in the window. Values are 64-bit hashes (`hashing.hashes`)."""

    def __init__(self, over: float, periods: int = 1) -> None:
        super().__init__(over, SKETCH_PANES, periods, {"registers": Field("u1", depth=REGISTERS)})

    def value(self, columns: Bools, size: int) -> Floats:
        """The estimate, 0 without values."""
        registers = self.panes["registers"][:, columns].max(axis=1, initial=0)
        return padded(estimate(registers), size)

    def _fold(self, cells: Ints, values: npt.NDArray[Any]) -> None:
        register, rank = positions(values)
        np.maximum.at(self.panes.flat("registers"), cells * REGISTERS + register, rank)


def positions(values: Hashes) -> tuple[Ints, npt.NDArray[np.uint8]]:
    """The register of each hash, and the position of the first one bit in the rest of it, from 1 to 53."""
    register = (values & np.uint64(REGISTERS - 1)).astype(np.int64)
    rest = values >> np.uint64(64 - RANK_BITS)
    bit_length = np.frexp(rest.astype(np.float64))[1]
    return register, (RANK_BITS + 1 - bit_length).astype(np.uint8)


def estimate(registers: npt.NDArray[np.uint8]) -> Floats:
    """Ertl's improved raw estimate (his algorithm 6) for each row of registers."""
    rows, ranks, m = len(registers), RANK_BITS + 2, REGISTERS
    index = registers.astype(np.int64) + np.arange(rows)[:, None] * ranks
    counts = np.bincount(index.reshape(-1), minlength=rows * ranks).reshape(rows, ranks).astype(np.float64)
    z = m * _tau(1.0 - counts[:, RANK_BITS + 1] / m)
    for rank in range(RANK_BITS, 0, -1):
        z = 0.5 * (z + counts[:, rank])
    empty = counts[:, 0] / m
    z += m * _sigma(np.where(empty < 1.0, empty, 0.0))
    return np.where(empty < 1.0, m * m / (2.0 * np.log(2.0) * np.where(z > 0.0, z, 1.0)), 0.0)


def _sigma(x: Floats) -> Floats:
    total, weight = x.copy(), 1.0
    while (x > 1e-9).any():
        x = x * x
        total, weight = total + x * weight, 2.0 * weight
    return total


def _tau(x: Floats) -> Floats:
    total, weight = 1.0 - x, 1.0
    for _ in range(RANK_BITS):
        x, weight = np.sqrt(x), 0.5 * weight
        total = total - (1.0 - x) ** 2 * weight
    return np.where((x > 0.0), total / 3.0, 0.0)
