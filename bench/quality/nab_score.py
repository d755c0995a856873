"""The score of the Numenta Anomaly Benchmark, from its published definition (Lavin, Ahmad 2015, arXiv 1510.03336).

A window that is found earns up to 1 by how early in it the first detection lies; detections outside lose up to the
weight of a false positive, the less the sooner they follow a window; a missed window loses the weight of a false
negative. The first 15 % of a file (of its first 5,000 rows at most) do not count.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

Window = tuple[int, int]  # first and last row


@dataclass(frozen=True, slots=True)
class Profile:
    """What a detection, a false one and a missed window weigh."""

    found: float
    false: float
    missed: float


PROFILES = {
    "standard": Profile(1.0, 0.11, 1.0),
    "reward low FP": Profile(1.0, 0.22, 1.0),
    "reward low FN": Profile(1.0, 0.11, 2.0),
}


def probation(rows: int) -> int:
    """How many rows at the beginning of a file are for learning."""
    return min(math.floor(0.15 * rows), 750)


def sigmoid(position: float) -> float:
    """1 to -1: -1 is the left edge of a window, 0 its right edge, above 0 behind it; constant from 3 on."""
    return -1.0 if position >= 3.0 else 2.0 / (1.0 + math.exp(5.0 * position)) - 1.0


def raw_score(rows: int, windows: Sequence[Window], detections: Iterable[int], profile: Profile) -> float:
    """One file's score before scaling. Windows are in order and do not overlap."""
    start = probation(rows)
    counted = [window for window in windows if window[1] >= start]
    earned = dict.fromkeys(counted, -profile.missed)
    lost = 0.0
    for row in sorted(set(detections)):
        if row < start or row >= rows:
            continue
        inside = next((window for window in counted if window[0] <= row <= window[1]), None)
        if inside is not None:
            left, right = inside
            value = sigmoid(-(right - row + 1) / (right - left + 1)) / sigmoid(-1.0)
            earned[inside] = max(earned[inside], profile.found * value)
        else:
            lost += profile.false * sigmoid(_behind(row, windows))
    return sum(earned.values()) + lost


def _behind(row: int, windows: Sequence[Window]) -> float:
    """How far a row lies behind the last window before it, in widths of that window; 3 where there is none."""
    before = [window for window in windows if window[1] < row]
    if not before:
        return 3.0
    left, right = before[-1]
    return (row - right) / max(right - left, 1)


@dataclass(frozen=True, slots=True)
class File:
    """A file of the corpus with the detections of one system."""

    rows: int
    windows: tuple[Window, ...]
    detections: tuple[int, ...]


def normalised(files: Sequence[File], profile: Profile) -> float:
    """0 is a detector that never speaks, 100 one that speaks at the left edge of each window and nowhere else."""
    raw = sum(raw_score(file.rows, file.windows, file.detections, profile) for file in files)
    windows = sum(window[1] >= probation(file.rows) for file in files for window in file.windows)
    if not windows:
        return math.nan
    silent, perfect = -profile.missed * windows, profile.found * windows
    return 100.0 * (raw - silent) / (perfect - silent)
