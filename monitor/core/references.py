"""References as people handle them: what is normal for the series of a rule, fitted, packed, and said in words."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from monitor.core.detectors.budget.armed_state import load_armed, save_armed
from monitor.core.detectors.budget.arming import Armed
from monitor.core.detectors.budget.bets import drift
from monitor.core.detectors.budget.points import Blocks, load_blocks
from monitor.core.sound import fault
from monitor.core.state import StateError, dump, load

FORMAT = 1
LARGEST = 64 << 20  # bytes of a reference unpacked: 500 series take a fiftieth of it
MOST = 2_000  # series of a reference that somebody gives: as many as a rule watches, for each version it follows
VERSIONS = 4  # of a model that one reference holds series of, as many as are followed side by side


@dataclass(frozen=True, slots=True)
class FittedSeries:
    """One column of one segment. `version` is the model's, "" for any. `armed` is None where it was refused: `note`
    says why. `blocks`: how later values become points, None where each value is one."""

    version: str
    segment: str
    column: str
    armed: Armed | None
    blocks: Blocks | None
    note: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        return self.version, self.segment, self.column


@dataclass(frozen=True, slots=True)
class Fitted:
    """The references of one rule on one model. `form` is what the rule looks at (`same_series`), `tolerance` what its
    bets were made for."""

    rule: str
    form: str
    tolerance: float
    series: tuple[FittedSeries, ...]

    def pack(self) -> bytes:
        """Bytes that are equal for equal references."""
        rows = [
            [
                *s.key,
                None if s.armed is None else save_armed(s.armed),
                None if s.blocks is None else s.blocks.save(),
                s.note,
            ]
            for s in self.series
        ]
        head = {"v": FORMAT, "rule": self.rule, "form": self.form, "tolerance": self.tolerance, "series": rows}
        return zlib.compress(dump(head), 6)

    def merged(self, newer: Fitted) -> Fitted:
        """With the series of another one put in the place of those there were; of old versions, the last ones."""
        series = {s.key: s for s in (*self.series, *newer.series)}
        fresh, ends = {s.version for s in newer.series}, dict[str, float]()
        for s in series.values():
            ends[s.version] = max(ends.get(s.version, -np.inf), -np.inf if s.armed is None else s.armed.last)
        kept = sorted(ends, key=lambda version: (version in fresh, ends[version], version))[-VERSIONS:]
        return replace(newer, series=tuple(series[key] for key in sorted(series) if key[0] in kept))

    def for_version(self, version: str) -> list[FittedSeries]:
        """What holds for a version of the model: its own series, or else those of the version that came last."""
        began = dict.fromkeys(sorted(s.version for s in self.series), -np.inf)
        for s in self.series:
            began[s.version] = max(began[s.version], -np.inf if s.armed is None else s.armed.first)
        wanted = version if version in began else max(began, key=began.__getitem__, default="")
        return [replace(s, version=version) for s in self.series if s.version == wanted]


@dataclass(frozen=True, slots=True)
class Learned:
    """Series of a rule that a bank has just armed, or refused. `version` is that of the reference people gave, 0 for
    what was learned without anybody's word. `rolled`: by which refit of the rule since, over the last `span` seconds;
    0: by none, and then `fitted` holds only what is new."""

    model: str
    version: int
    fitted: Fitted
    rolled: int = 0
    span: float = 0.0


def unpack(packed: bytes, trusted: bool = False) -> Fitted:
    """What `Fitted.pack` was called on. Raises StateError on anything else.

    `trusted`: it was made here, or was unpacked before. Else it is held against what detectors can run on, which takes
    some milliseconds for each series.
    """
    try:
        inflate = zlib.decompressobj()
        data = inflate.decompress(packed, LARGEST)
        if inflate.unconsumed_tail or not inflate.eof:
            raise StateError("a reference is cut off or too large")
        saved = load(data)
        if saved["v"] != FORMAT:
            raise StateError(f"the reference has version {saved['v']}, this program reads {FORMAT}")
        if not trusted and len(saved["series"]) > MOST:
            raise StateError(f"a reference holds at most {MOST:,} series, and this one {len(saved['series']):,}")
        series = tuple(_series(row, trusted) for row in saved["series"])
        return Fitted(str(saved["rule"]), str(saved["form"]), float(saved["tolerance"]), series)
    except (zlib.error, LookupError, TypeError, ValueError, ArithmeticError, AttributeError) as problem:
        raise problem if isinstance(problem, StateError) else StateError(f"it is no reference: {problem}") from problem


def to_text(packed: bytes) -> str:
    """As a mark holds it."""
    return base64.b64encode(packed).decode()


def from_text(text: str) -> Fitted:
    """Raises StateError."""
    try:
        packed = base64.b64decode(text, validate=True)
    except ValueError as problem:
        raise StateError("a reference is given as base64") from problem
    return unpack(packed)


def retuned(armed: Armed, tolerance: float) -> Armed:
    """The same reference with bets for another tolerance. Its threshold stays: enough for a larger tolerance, and
    unproven for a smaller one."""
    seen = armed.seen
    return replace(armed, seen=replace(seen, d=drift(tolerance) * (seen.scale if seen.inner is not None else 1.0)))


def _series(row: Sequence[Any], trusted: bool) -> FittedSeries:
    version, segment, column, armed, blocks, note = row
    made = None if armed is None else load_armed(armed)
    if made is not None and not trusted:
        _sound(made, column)
    ranked = None if blocks is None else load_blocks(blocks)
    return FittedSeries(str(version), str(segment), str(column), made, ranked, str(note))


def _sound(armed: Armed, column: str) -> None:
    """Raises StateError if a detector could not run on it: whoever may give references may not break the engine."""
    wrong = fault(armed)
    if wrong is not None:
        raise StateError(f"the reference of {column} holds {wrong}, so it cannot be watched by")
