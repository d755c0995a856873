"""What is bet on categories: that some of them, together or one alone, have become more frequent.

A total variation of at most eps is exactly that no set of categories gained more than eps. A set is bet on that was
gaining of late, and so is the one category that gained most; what they are depends on the past only, so each bet is
fair. Among ten categories the latter saves the ninth part of what is bet on each by itself.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from monitor.core.detectors.budget.recursion import Cube
from monitor.core.events import Floats, Ints

MEMORIES = (64, 512)  # values that the sets of categories on the rise look back
STAKES = (0.1, 0.3)  # part of what is left that moves into a set
LEAD = 32  # values that the category which gained most looks back
ALONE = 0.2  # part of what is left that moves into one category
TOGETHER, LEADING, EACH = 0.3, 0.3, 0.4  # weights of the sets, of the one that leads, of all by themselves
DOUBT = 2.0  # standard errors by which the reference may have too little of the one that leads: it was chosen for that
AGAIN = 8  # values after which the sets are made anew
FULL = 0.95  # share above which nothing is bet on a set
LARGEST = 0.98
FADES = 0.98  # what a bet that pauses keeps: time alone must never page
UNSEEN = 1.6  # of n: the 0.8 quantile of the share of a category that n values did not show


class CategoryBets:
    """`shares` of the categories among `n` values as if independent, the last of them all others together."""

    def __init__(self, shares: Floats, n: float, eps: float) -> None:
        self.shares, self.n, self.eps = shares, n, eps
        self._spread = np.sqrt(shares * (1 - shares))
        self._leads = self._upper(DOUBT)
        upper, own = self._upper(1.0), np.eye(len(shares), dtype=bool)
        self._own = np.column_stack([_two(own[k], float(u), ALONE) for k, u in enumerate(upper)])
        self.recent = np.tile(shares.astype(np.float32), (len(MEMORIES) + 1, 1))
        self._waiting: Ints = np.empty(0, dtype=np.int64)  # values since the sets were made
        self._arrange()

    def _upper(self, errors: float) -> Floats:
        """The largest share of each category that is not worth acting on."""
        singles = np.minimum(LARGEST, self.shares + self.eps + errors * self._spread / math.sqrt(self.n))
        return np.asarray(np.maximum(singles, UNSEEN / self.n))

    @property
    def weights(self) -> Floats:
        sets, singles = len(MEMORIES) * len(STAKES), len(self.shares)
        return np.concatenate([np.full(sets, TOGETHER / sets), [LEADING], np.full(singles, EACH / singles)])

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
        for memory, before in zip((*MEMORIES, LEAD), self.recent, strict=True):
            keep = (1 - 1 / memory) ** np.arange(AGAIN - 1, -1, -1)
            came = np.bincount(self._waiting, weights=keep / memory, minlength=len(self.shares))
            recent.append(before * (1 - 1 / memory) ** AGAIN + came)
        self.recent, self._waiting = np.array(recent, dtype=np.float32), np.empty(0, dtype=np.int64)
        self._arrange()

    def _arrange(self) -> None:
        """The ratios of each category under all bets, until the sets are made anew."""
        more = self.eps + 0.5 * math.sqrt((len(self.shares) - 1) / self.n)
        columns = []
        for memory, recent in zip(MEMORIES, self.recent[:-1], strict=True):
            inside = recent > self.shares + 0.5 * self._spread / math.sqrt(memory)
            u = float(self.shares[inside].sum()) + more
            for g in STAKES:
                columns.append(_two(inside, u, g) if u <= FULL else np.full(len(inside), FADES))
        first = int(np.argmax(self.recent[-1] - self.shares.astype(np.float32)))
        columns.append(_two(np.arange(len(self.shares)) == first, float(self._leads[first]), ALONE))
        self._table = np.column_stack([*columns, self._own])

    def save(self) -> Any:
        return [self.shares, self.n, self.eps, *self.save_recent()]

    def save_recent(self) -> list[Any]:
        """What it has seen since it began, without what it began with."""
        return [self.recent, self._waiting.astype(np.uint8)]

    def resume(self, recent: Any, waiting: Any) -> None:
        """Continue from `save_recent`."""
        self.recent, self._waiting = recent, waiting.astype(np.int64)
        self._arrange()


def load_categories(saved: Any) -> CategoryBets:
    shares, n, eps, *recent = saved
    bets = CategoryBets(shares, n, eps)
    if recent:
        bets.resume(*recent)
    return bets


def _two(inside: Any, u: float, g: float) -> Floats:
    """What a bet pays inside its set and outside, if at most `u` lies inside and `g` of the rest is bet to move in."""
    return np.where(inside, (u + g * (1 - u)) / u, 1 - g)
