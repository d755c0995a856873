"""What is bet on the cell of a value: the probability of a cell if something moved, over the worst if nothing did."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from monitor.core.detectors.budget.beta import betaincinv
from monitor.core.detectors.budget.normal import ndtr, ndtri
from monitor.core.events import Floats

TRUST = 0.8  # share of references of this size for which every bet is fair
SLOPES = (0.4, 0.8, 1.2, 1.6)  # of linear bets
USUAL = 0.9  # of all values that are the same one
CASH = 0.02  # of the stake is never bet, so that no value can lose all
Table = npt.NDArray[np.float64]  # shape (cells, bets)


@dataclass(frozen=True, slots=True)
class Bet:
    """A `share` of the normal scores moves to N(mu, s^2)."""

    side: str  # up, down, wide, narrow
    mu: float
    s: float
    share: float
    weight: float


BETS = (
    Bet("up", 0.4, 1.0, 1.0, 0.17),
    Bet("down", -0.4, 1.0, 1.0, 0.17),
    Bet("up", 1.1, 1.0, 1.0, 0.17),
    Bet("down", -1.1, 1.0, 1.0, 0.17),
    Bet("wide", 0.0, 1.5, 1.0, 0.10),
    Bet("narrow", 0.0, 0.65, 1.0, 0.06),
    Bet("up", 3.0, 1.0, 0.1, 0.08),
    Bet("down", -3.0, 1.0, 0.1, 0.08),
)
WEIGHTS = np.array([bet.weight for bet in BETS])


def drift(tolerance: float) -> float:
    """The shift of a normal score at which a new value exceeds a reference value with probability 1/2 + tolerance."""
    return math.sqrt(2.0) * float(ndtri(0.5 + tolerance))


def bet_table(
    levels: Floats, n_eff: float, d: float, spread: float, trust: float = TRUST, bets: tuple[Bet, ...] = BETS
) -> Table:
    """One row a cell, one column a bet; each column has expectation <= 1 under everything not worth acting on.

    That is: a normal score N(m, 1) with |m| <= d or N(0, s^2) with |ln s| <= spread, for levels that are where
    `trust` of the references of `n_eff` independent values have them, on the side that hurts.
    """
    if len(levels) == 0:
        return np.ones((1, len(bets)))
    z = ndtri(levels)
    s0 = math.exp(spread)
    worst = {"up": (d, 1.0), "down": (-d, 1.0), "wide": (0.0, s0), "narrow": (0.0, 1.0 / s0)}
    gains = [1 - bet.share + bet.share * _mass(z, bet.mu, bet.s) / _mass(z, *worst[bet.side]) for bet in bets]
    return _fair(np.array(gains), levels, n_eff, (d, s0), trust)


def linear_table(
    levels: Floats, n_eff: float, d: float, spread: float, trust: float = TRUST, bets: tuple[Bet, ...] = BETS
) -> Table:
    """Bets that grow linearly with the rank, for series whose dependence the others cannot stand."""
    if len(levels) == 0:
        return np.ones((1, len(bets)))
    edges = np.concatenate([[0.0], levels, [1.0]])
    rank = (edges[1:] + edges[:-1]) / 2 - 0.5
    slopes = [sign * a for a in SLOPES for sign in (1.0, -1.0)]
    return _fair(np.array([1 + a * rank for a in slopes]), levels, n_eff, (d, math.exp(spread)), trust)


def _fair(gains: Table, levels: Floats, n_eff: float, null: tuple[float, float], trust: float) -> Table:
    """Scale gains (bets x cells) to expectation <= 1 under the null and the envelope; keep some cash."""
    z = ndtri(levels)
    d, s0 = null
    forms = ((0.0, 1.0), (d, 1.0), (-d, 1.0), (0.0, s0), (0.0, 1.0 / s0))
    shapes = [_mass(edges, m, s) for edges in _envelope(levels, z, n_eff, trust) for m, s in forms]
    masses = np.array([*shapes, _settled(_mass(z, 0.0, 1.0), d)])
    return np.array([CASH + (1 - CASH) * f / (masses * f).sum(axis=1).max() for f in gains]).T


def _settled(mass: Floats, d: float) -> Floats:
    """Where one value is nearly all there is, the rare ones may get rarer, or end, while the probability that a new
    value exceeds a reference value stays within what is tolerated: a long run of it is nothing worth acting on."""
    usual = int(mass.argmax())
    if mass[usual] < USUAL:
        return mass
    moved = abs(float(mass[:usual].sum() + mass[usual] / 2) - 0.5)
    tolerated = float(ndtr(d / math.sqrt(2.0))) - 0.5
    t = min(1.0, tolerated / max(moved, 1e-12))
    mixed = (1 - t) * mass
    mixed[usual] += t
    return mixed


def _mass(z: Floats, mean: float, sd: float) -> Floats:
    """The probability of each cell between the cuts `z` under a normal distribution."""
    return np.diff(ndtr((np.concatenate([[-np.inf], z, [np.inf]]) - mean) / sd))


def _envelope(levels: Floats, z: Floats, n_eff: float, trust: float) -> tuple[Floats, ...]:
    """The cuts as normal scores, and where they may be instead: all lower, all higher, both tails heavier, lighter."""
    ranks = (levels * (n_eff + 1)).tolist()
    low = ndtri([betaincinv(i, n_eff + 1 - i, 1 - trust) for i in ranks])
    high = ndtri([betaincinv(i, n_eff + 1 - i, trust) for i in ranks])
    left = levels < 0.5
    heavy = np.maximum.accumulate(np.where(left, high, low))
    light = np.maximum.accumulate(np.where(left, low, high))
    return z, low, high, heavy, light
