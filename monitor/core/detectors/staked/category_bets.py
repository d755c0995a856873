"""What is bet on categories: that some of them, together or one alone, have become more frequent.

A total variation of at most eps is exactly that no set of categories gained more than eps. A set is bet on that was
gaining of late; what it is depends on the past only, so each bet is fair.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from monitor.core.detectors.budget.recursion import Cube
from monitor.core.events import Floats, Ints

MEMORIES = (64, 512)  # values that the sets of categories on the rise look back
STAKES = (0.1, 0.3)  # part of what is left that moves into a set
ALONE = 0.2  # the same for one category
AGAIN = 32  # values after which the sets are made anew
FULL = 0.95  # share above which nothing is bet on a set
LARGEST = 0.98
FADES = 0.98  # what a bet that pauses keeps: time alone must never page
UNSEEN = 1.6  # of n: the 0.8 quantile of the share of a category that n values did not show


class CategoryBets:
    """`shares` of the categories among `n` values as if independent, the last of them all others together."""

    def __init__(self, shares: Floats, n: float, eps: float) -> None:
        self.shares, self.n, self.eps = shares, n, eps
        singles = np.minimum(LARGEST, shares + eps + np.sqrt(shares * (1 - shares) / n))
        self._upper = np.maximum(singles, UNSEEN / n)
        self.recent = np.tile(shares, (len(MEMORIES), 1))
        self._waiting: Ints = np.empty(0, dtype=np.int64)  # values since the sets were made
        self._arrange()

    @property
    def weights(self) -> Floats:
        sets, singles = len(MEMORIES) * len(STAKES), len(self.shares)
        return np.concatenate([np.full(sets, 0.5 / sets), np.full(singles, 0.5 / singles)])

    def ratios(self, codes: Ints) -> Cube:
        """One row a value, one column a bet. Cutting the values elsewhere changes nothing."""
        out = np.empty((len(codes), len(self.weights)))
        start = 0
        while start < len(codes):
            part = codes[start : start + AGAIN - len(self._waiting)]
            out[start : start + len(part)] = self._table[part]
            self._waiting = np.concatenate([self._waiting, part])
            start += len(part)
            if len(self._waiting) == AGAIN:
                self._follow()
        return out

    def alone(self, codes: Ints) -> Cube:
        """The ratios of the bets on each category by itself."""
        return self._table[codes, -len(self.shares) :]

    def _follow(self) -> None:
        """Move the recent shares on by the values that wait, and make the sets anew."""
        recent = []
        for memory, before in zip(MEMORIES, self.recent, strict=True):
            keep = (1 - 1 / memory) ** np.arange(AGAIN - 1, -1, -1)
            came = np.bincount(self._waiting, weights=keep / memory, minlength=len(self.shares))
            recent.append(before * (1 - 1 / memory) ** AGAIN + came)
        self.recent, self._waiting = np.array(recent), np.empty(0, dtype=np.int64)
        self._arrange()

    def _arrange(self) -> None:
        """The ratios of each category under all bets, until the sets are made anew."""
        more = self.eps + 0.5 * math.sqrt((len(self.shares) - 1) / self.n)
        noise = 0.5 * np.sqrt(self.shares * (1 - self.shares))
        columns = []
        for memory, recent in zip(MEMORIES, self.recent, strict=True):
            inside = recent > self.shares + noise / math.sqrt(memory)
            u = float(self.shares[inside].sum()) + more
            for g in STAKES:
                columns.append(_two(inside, u, g) if u <= FULL else np.full(len(inside), FADES))
        own = np.eye(len(self.shares), dtype=bool)
        columns += [_two(own[k], float(u), ALONE) for k, u in enumerate(self._upper)]
        self._table = np.column_stack(columns)

    def save(self) -> Any:
        return [self.shares, self.n, self.eps, self.recent, self._waiting.astype(np.uint8)]


def load_categories(saved: Any) -> CategoryBets:
    shares, n, eps, recent, waiting = saved
    bets = CategoryBets(shares, n, eps)
    bets.recent, bets._waiting = recent, waiting.astype(np.int64)
    bets._arrange()
    return bets


def _two(inside: Any, u: float, g: float) -> Floats:
    """What a bet pays inside its set and outside, if at most `u` lies inside and `g` of the rest is bet to move in."""
    return np.where(inside, (u + g * (1 - u)) / u, 1 - g)
