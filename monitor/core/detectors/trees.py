"""Half-space trees over whole batches, with scores identical to River's.

Tan, Ting and Liu, Fast anomaly detection for streaming data, 2011. The masses that scores are made of (`r_mass`)
stand still for a whole window, so a window is scored and learned as arrays: the score of a leaf is the same for every
row that reaches it, and is looked up. All sums are of whole numbers, so their order does not matter.
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np

from monitor.core.detectors.base import Matrix
from monitor.core.events import Floats, Ints

PADDING = 0.15  # share of a range, on both sides, in which it is not split
ROWS = 1024  # taken at once: what they need stays in the processor's cache
MASSLESS = 0.1  # of a window: below it, a node is not descended any further


class HalfSpaceTrees:
    """`VectorDetector` equal to `river.anomaly.HalfSpaceTrees(limits=…, seed=…)` on rows of the same columns.

    `low` and `high` are the limits of each column, in the order in which River would sort their names; rows beyond
    them fall into the outermost leaves. River's usual `MinMaxScaler | HalfSpaceTrees` moves its limits at every event
    and so cannot be told by one formula for a batch; frozen limits are the same trees after the scaler has settled.
    """

    def __init__(self, low: Floats, high: Floats, n_trees: int, height: int, window_size: int, seed: int) -> None:
        self.height = height
        self.window = window_size
        inner = 2**height - 1
        self._feature = np.zeros((n_trees, inner), dtype=np.int16)
        self._threshold = np.zeros((n_trees, inner))
        rng = random.Random(seed)
        for tree in range(n_trees):
            self._grow(tree, 0, height, list(zip(low.tolist(), high.tolist(), strict=True)), rng)
        self._levels = self._by_level()
        self._counts: Ints = np.zeros((n_trees, inner + 1), dtype=np.int64)  # l_mass of the leaves
        self._mass: Ints = np.zeros_like(self._counts)  # r_mass of the leaves
        self._leaf_score: Floats | None = None  # None before the first full window
        self._learned = 0  # in the window under way

    def _grow(self, tree: int, node: int, height: int, limits: list[tuple[float, float]], rng: random.Random) -> None:
        """River's `make_padded_tree`: the same draws in the same order, nodes laid out as a heap."""
        if height == 0:
            return
        on = rng.choices(range(len(limits)), weights=[high - low for low, high in limits])[0]
        low, high = limits[on]
        at = rng.uniform(low + PADDING * (high - low), high - PADDING * (high - low))
        self._feature[tree, node], self._threshold[tree, node] = on, at
        for child, part in ((2 * node + 1, (low, at)), (2 * node + 2, (at, high))):
            limits[on] = part
            self._grow(tree, child, height - 1, limits, rng)
        limits[on] = (low, high)

    @property
    def room(self) -> int:
        """Rows that may be learned before scores change."""
        return self.window - self._learned

    def learn(self, matrix: Matrix) -> None:
        start = 0
        while start < len(matrix):
            part = matrix[start : start + self.room]
            start += len(part)
            leaves = self._leaves(part)
            for tree, row in enumerate(leaves):
                self._counts[tree] += np.bincount(row, minlength=self._counts.shape[1])
            self._learned += len(part)
            if self._learned == self.window:
                self._mass, self._counts = self._counts, np.zeros_like(self._counts)
                self._learned = 0
                self._leaf_score = self._scores_of_leaves()

    def score(self, matrix: Matrix) -> Floats:
        """Between 0 and 1 as River's, NaN (River: 0) before the first window is full."""
        if self._leaf_score is None:
            return np.full(len(matrix), np.nan)
        leaves = self._leaves(matrix)
        total = np.zeros(len(matrix))
        for tree, row in enumerate(leaves):
            total += self._leaf_score[tree][row]
        most = len(self._counts) * self.window * (2 ** (self.height + 1) - 1)
        scores: Floats = 1 - total / most
        return scores

    def _leaves(self, matrix: Matrix) -> Ints:
        """The leaf each row reaches in each tree: shape (trees, rows)."""
        parts = [self._descend(matrix[start : start + ROWS]) for start in range(0, len(matrix), ROWS)]
        first = (np.arange(len(self._counts)) * self._counts.shape[1])[:, None]
        leaves: Ints = np.concatenate([np.empty((len(first), 0), dtype=np.int64), *parts], axis=1) - first
        return leaves

    def _descend(self, matrix: Matrix) -> Ints:
        """The same, leaves numbered through all trees: level by level, all trees and rows at once."""
        trees, rows = len(self._counts), len(matrix)
        columns, row = np.ascontiguousarray(matrix.T).ravel(), np.arange(rows)
        node = np.repeat(np.arange(trees), rows).reshape(trees, rows)
        place, value, cut = np.empty_like(node), np.empty(node.shape), np.empty(node.shape)
        less = np.empty(node.shape, dtype=bool)
        for features, thresholds in self._levels:
            (features * rows).take(node, out=place, mode="clip")  # other modes copy what they write to
            place += row
            columns.take(place, out=value, mode="clip")
            thresholds.take(node, out=cut, mode="clip")
            np.less(value, cut, out=less)
            node += node
            node += np.logical_not(less, out=less)
        return node

    def _by_level(self) -> list[tuple[Ints, Floats]]:
        """Features and thresholds of each level, those of all trees side by side: the children of node i are 2 i and
        2 i + 1 of the next level."""
        spans = [slice(2**depth - 1, 2 ** (depth + 1) - 1) for depth in range(self.height)]
        return [
            (self._feature[:, span].astype(np.int64).ravel(), np.ascontiguousarray(self._threshold[:, span]).ravel())
            for span in spans
        ]

    def _scores_of_leaves(self) -> Floats:
        """The sum of r_mass * 2^depth from the root to each leaf, up to the first node with too little mass."""
        levels = [self._mass]
        while levels[0].shape[1] > 1:
            levels.insert(0, levels[0][:, 0::2] + levels[0][:, 1::2])
        score = np.zeros((len(self._mass), 1))
        open_: Any = np.ones_like(score, dtype=bool)
        for depth, mass in enumerate(levels):
            if depth:
                score, open_ = np.repeat(score, 2, axis=1), np.repeat(open_, 2, axis=1)
            score = score + np.where(open_, mass * 2**depth, 0)
            open_ = open_ & (mass >= MASSLESS * self.window)
        return score

    def save(self) -> Any:
        return {
            "feature": self._feature,
            "threshold": self._threshold,
            "counts": self._counts,
            "mass": self._mass,
            "learned": self._learned,
            "window": self.window,
            "full": self._leaf_score is not None,
        }

    def load(self, saved: Any) -> None:
        self._feature, self._threshold = saved["feature"], saved["threshold"]
        self._levels = self._by_level()
        self._counts, self._mass, self._learned = saved["counts"], saved["mass"], saved["learned"]
        self.window = saved["window"]
        self._leaf_score = self._scores_of_leaves() if saved["full"] else None

    def memory(self) -> int:
        held = (self._feature, self._threshold, self._counts, self._mass)
        return sum(array.nbytes for array in held) + 2 * self._counts.nbytes + 16 * self._feature.size
