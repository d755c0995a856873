"""The masses of all series of a rule, their growth with every value, and the moment at which a page is due.

For series i and bet j, with the likelihood ratio L of a row and the accrual `due` the row releases:

    m_ij <- L_ij (m_ij + w_j due_i)        a page is due when  sum m_ij >= threshold  and the evidence is enough
    G_ij <- L_ij max(G_ij, 1)              evidence = max_i sum_j w_j G_ij

Rows are taken in blocks of 32: inside a block P (the product of L) and C (the accruals grown so far) start from one
and zero, so all blocks of a batch run side by side, and one pass over blocks does m <- P m + C. Only sums and products
of non-negative numbers occur. An unfinished block is carried to the next batch as it stands: where a stream is cut
changes no bit. (Shin, Ramdas, Rinaldo, e-detectors, arXiv 2203.03532.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from monitor.core.events import Floats, Ints

BLOCK = 32
FLOOR = 20.0  # evidence below which no sum of masses pages
LARGEST = 1 << 19  # numbers in one working array
Cube = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Page:
    """A page due at a row: the mass of each series in it, and the evidence of each."""

    row: int
    mass: Floats
    evidence: Floats


class Recursion:
    """Masses of `n` series. Rows of the table are the likelihood ratios of all bets in one cell; its last is ones.

    `weights` are those of the bets, or (series, bets) where series bet on different things.
    """

    def __init__(self, weights: Floats) -> None:
        self.weights = weights
        self.resize(0, np.empty(0, dtype=np.int64))
        self._buffers: dict[str, Floats] = {}

    @property
    def n(self) -> int:
        return len(self.m)

    def resize(self, n: int, kept: Ints) -> None:
        """Make room for `n` series; `kept[i]` is the present number of the i-th, -1 if it is new."""
        bets = self.weights.shape[-1]
        shape, before = (n, bets), getattr(self, "m", np.empty((0, bets)))
        same = slice(0, min(bets, before.shape[1]))
        fresh = {"m": 0.0, "P": 1.0, "C": 0.0, "G": 1.0, "E": 1.0}
        old = np.flatnonzero(kept >= 0)
        for name, start in fresh.items():
            grown = np.full(shape, start)
            if len(before):
                grown[old, same] = getattr(self, name)[kept[old], same]
            setattr(self, name, grown)
        if not len(before):
            self.phase = 0

    def forget(self, series: Ints) -> None:
        """Start some series again from nothing."""
        for name, start in (("m", 0.0), ("P", 1.0), ("C", 0.0), ("G", 1.0), ("E", 1.0)):
            getattr(self, name)[series] = start

    def run(self, table: Cube, cells: Ints, due: Floats, threshold: float) -> Page | None:
        """Take rows up to and including the first at which a page is due; all of them if there is none.

        `cells` (rows, series) are rows of `table`; `due` (rows, series) are accruals. After a page every mass is 0.
        """
        most = max(LARGEST // max(self.m.size * BLOCK, 1), 1) * BLOCK
        for start in range(0, len(cells), most):
            with np.errstate(over="ignore", invalid="ignore"):  # behind a page masses may grow beyond all numbers
                page = self._run(table, cells[start : start + most], due[start : start + most], threshold)
            if page is not None:
                return Page(start + page.row, page.mass, page.evidence)
        return None

    def _run(self, table: Cube, cells: Ints, due: Floats, threshold: float) -> Page | None:
        first, rows = self.phase, len(cells)
        blocks = -(-(first + rows) // BLOCK)
        shape = (BLOCK, blocks, *self.m.shape)
        ratios = self._ratios(table, cells, first, blocks)
        stakes = self._stakes(due, first, blocks)
        products, grown, runs = (self._buffer(name, shape) for name in ("P", "C", "E"))
        self._blocks(ratios, stakes, products, grown, runs)
        masses, growths = self._starts(products[-1], grown[-1], runs[-1])
        now = np.multiply(products, masses[:-1], out=stakes)
        now += grown
        sums = now.reshape(BLOCK * blocks, -1).sum(axis=1).reshape(BLOCK, blocks).T.ravel()
        for place in np.flatnonzero(sums[first : first + rows] >= threshold) + first:
            block, k = divmod(int(place), BLOCK)
            before = runs[k - 1, block] if k else (self.E if block == 0 else 1.0)
            growth = np.maximum(products[k, block] * growths[block], before * ratios[k, block])
            evidence = (growth * self.weights).sum(axis=1)
            if evidence.max() >= FLOOR:
                mass = now[k, block].sum(axis=1)
                self._restart(np.maximum(growth, 1.0))
                return Page(int(place) - first, mass, evidence)
        self._carry((first + rows) % BLOCK, masses, growths, products, grown, runs)
        return None

    def _blocks(self, ratios: Cube, stakes: Cube, products: Cube, grown: Cube, runs: Cube) -> None:
        """Run inside all blocks at once; the first one goes on from what was carried."""
        blocks = ratios.shape[1]
        p, c, e = (np.full((blocks, *self.m.shape), start) for start in (1.0, 0.0, 1.0))
        p[0], c[0], e[0] = self.P, self.C, self.E
        for k in range(BLOCK):
            ratio = ratios[k]
            p = np.multiply(p, ratio, out=products[k])
            c = np.add(c, stakes[k], out=grown[k])
            c *= ratio
            e = np.multiply(e, ratio, out=runs[k])
            np.maximum(e, 1.0, out=e)

    def _starts(self, products: Cube, grown: Cube, runs: Cube) -> tuple[Cube, Cube]:
        """Masses and growths at the start of every block, and behind the last."""
        masses, growths = (np.empty((len(products) + 1, *self.m.shape)) for _ in range(2))
        masses[0], growths[0] = self.m, self.G
        for b, product in enumerate(products):
            np.multiply(masses[b], product, out=masses[b + 1])
            masses[b + 1] += grown[b]
            np.multiply(growths[b], product, out=growths[b + 1])
            np.maximum(growths[b + 1], runs[b], out=growths[b + 1])
        return masses, growths

    def _carry(self, phase: int, masses: Cube, growths: Cube, products: Cube, grown: Cube, runs: Cube) -> None:
        self.phase = phase
        if phase:
            self.m, self.G = masses[-2].copy(), growths[-2].copy()
            self.P, self.C, self.E = (part[phase - 1, -1].copy() for part in (products, grown, runs))
        else:
            self._restart(growths[-1].copy(), masses[-1].copy())

    def _restart(self, growth: Cube, masses: Cube | None = None) -> None:
        self.phase, self.G = 0, growth
        self.m = np.zeros_like(growth) if masses is None else masses
        self.P, self.C, self.E = np.ones_like(growth), np.zeros_like(growth), np.ones_like(growth)

    def _ratios(self, table: Cube, cells: Ints, first: int, blocks: int) -> Cube:
        places = np.full((blocks * BLOCK, self.n), len(table) - 1, dtype=np.int64)
        places[first : first + len(cells)] = cells
        flat = places.reshape(blocks, BLOCK, self.n).transpose(1, 0, 2).ravel()
        out = self._buffer("L", (BLOCK, blocks, *self.m.shape))
        table.take(flat, axis=0, out=out.reshape(len(flat), -1), mode="clip")
        return out

    def _stakes(self, due: Floats, first: int, blocks: int) -> Cube:
        padded = np.zeros((blocks * BLOCK, self.n))
        padded[first : first + len(due)] = due
        arranged = np.ascontiguousarray(padded.reshape(blocks, BLOCK, self.n).transpose(1, 0, 2))
        out = self._buffer("S", (BLOCK, blocks, *self.m.shape))
        return np.multiply(arranged[..., None], self.weights, out=out)

    def _buffer(self, name: str, shape: tuple[int, ...]) -> Cube:
        size = int(np.prod(shape))
        if len(self._buffers.get(name, ())) < size:
            self._buffers[name] = np.empty(size)
        return self._buffers[name][:size].reshape(shape)

    def save(self) -> Any:
        return {name: getattr(self, name) for name in ("m", "P", "C", "G", "E", "phase")}

    def load(self, saved: Any) -> None:
        for name in ("m", "P", "C", "G", "E", "phase"):
            setattr(self, name, saved[name])
