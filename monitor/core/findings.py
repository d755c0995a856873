"""What the watching half hands to the deciding half."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from monitor.core.events import Floats, Ints

if TYPE_CHECKING:
    from monitor.core.references import Learned

Tristate = Literal["yes", "no", "unknown"]
NO, YES, UNKNOWN = 0, 1, 2  # as stored in `Level.holds`


@dataclass(frozen=True, slots=True)
class Evidence:
    """Why something is believed: one column of one segment, what was seen against what was expected."""

    column: str
    segment: str
    statistic: str
    value: float | None
    expected: float | None
    effect: float | None
    interval: tuple[float, float] | None
    n: int
    at: float
    detail: str = ""  # one sentence for people


@dataclass(frozen=True, slots=True)
class Finding:
    """An edge: a detector saw something at one moment. Latches until a person clears it."""

    rule: str  # "pack/Rule"
    model: str
    version: str | None
    evidence: Evidence
    warming: bool = False
    historical: bool = False


@dataclass(frozen=True, slots=True)
class Level:
    """A condition of one rule on one model, for all its segments, as of the model's rule clock `at`.

    Arrays run over `segments`. `holds` is NO, YES or UNKNOWN (no data, or too little). `value` and `expected` are
    what is compared; `effect` is how far beyond the threshold, as a ratio (1.0 = at the threshold), NaN if unknown.
    """

    rule: str
    model: str
    version: str | None
    at: float
    statistic: str
    column: str
    segments: tuple[str, ...]
    holds: np.ndarray[tuple[int], np.dtype[np.uint8]]
    value: Floats
    expected: Floats
    effect: Floats
    n: Ints
    historical: bool = False


@dataclass(slots=True)
class Observation:
    """All that one call of `observe` found, in a fixed order: by model, then by rule, then by offset."""

    findings: list[Finding] = field(default_factory=list)
    levels: list[Level] = field(default_factory=list)
    clocks: dict[str, float] = field(default_factory=dict)  # the rule clock of each model touched
    learned: list[Learned] = field(default_factory=list)  # references that were completed
