"""What each column of a model is: inferred once from its first values, recorded, changed only by a person."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any, Literal

from monitor.core.events import ABSENT, MISSING, MISTYPED, Batch, number
from monitor.core.rules.model import ColumnSetting

Kind = Literal["number", "category", "text", "vector", "id", "time", "secret"]
KINDS: tuple[Kind, ...] = ("number", "category", "text", "vector", "id", "time", "secret")
SAMPLE = 64  # values a kind is inferred from
LIMIT = 4096  # columns of one model

_ID_NAME = re.compile(r"(^|[._-])(id|uuid|guid|key|hash)$", re.IGNORECASE)
_TIME_TEXT = re.compile(r"^\d{4}-\d\d-\d\d([T ]\d\d:\d\d|$)")


class Columns:
    """The columns of one model. A column counts as known from the row after its `SAMPLE`-th value.

    Knowing the exact offset keeps findings independent of how a stream is cut into batches.
    """

    def __init__(self, settings: Mapping[str, ColumnSetting] | None = None) -> None:
        self.kinds: dict[str, Kind] = {}
        self.known_at: dict[str, int] = {}  # path -> offset of the value that decided its kind
        self.overflow = 0  # columns beyond LIMIT that are not watched
        self._fixed: dict[str, Kind] = {}
        self._samples: dict[str, list[Any]] = {}
        self.settings: dict[str, ColumnSetting] = {}
        self._expanded: dict[tuple[tuple[str, ...], tuple[Kind, ...]], tuple[str, ...]] = {}  # while nothing changes
        self.configure(settings or {})

    def configure(self, settings: Mapping[str, ColumnSetting]) -> None:
        """Take what the rule book says of columns; a person's own word (`fix`) stands above it."""
        self.settings = dict(settings)
        self._expanded.clear()

    def fix(self, path: str, kind: Kind) -> None:
        """A person says what a column is."""
        self._fixed[path] = kind
        self.kinds[path] = kind
        self.known_at.setdefault(path, -1)
        self._samples.pop(path, None)
        self._expanded.clear()

    def learn(self, batch: Batch) -> None:
        """Look at columns whose kind is not known yet. Call once per batch, before any watcher."""
        for path, values in batch.columns.items():
            if path not in self.kinds:
                self._learn(path, values, batch)

    def kind(self, path: str) -> Kind | None:
        """The kind, or None while too few values were seen."""
        said = self.settings.get(path)
        if path not in self._fixed and said is not None and said.kind is not None:
            return said.kind
        return self.kinds.get(path)

    def first_row(self, path: str, batch: Batch) -> int:
        """The first row of `batch` at which the kind of `path` was already known."""
        said = self.settings.get(path)
        if path in self._fixed or (said is not None and said.kind is not None):
            return 0
        decided = self.known_at.get(path)
        if decided is None:
            return batch.n
        return int(batch.offsets.searchsorted(decided, side="right"))

    def expand(self, patterns: Iterable[str], kinds: Iterable[Kind]) -> list[str]:
        """Known columns of the given kinds that match, sorted. A plain path matches itself."""
        asked = tuple(patterns), tuple(kinds)
        if asked not in self._expanded:
            matches = {
                path
                for pattern in asked[0]
                for path in ({*self.kinds, *self.settings} if _is_pattern(pattern) else [pattern])
                if fnmatchcase(path, pattern) and self.kind(path) in asked[1]
            }
            self._expanded[asked] = tuple(sorted(matches))
        return list(self._expanded[asked])

    def _learn(self, path: str, values: list[Any], batch: Batch) -> None:
        if path not in self._samples and len(self.kinds) + len(self._samples) >= LIMIT:
            self.overflow += 1
            return
        sample = self._samples.setdefault(path, [])
        for row, value in enumerate(values):
            if value is MISSING or value is None:
                continue
            sample.append(_plain(value))  # as it would come back from a snapshot: a restart must not change the guess
            if len(sample) == SAMPLE:
                self.kinds[path] = infer(path, sample)
                self._expanded.clear()
                self.known_at[path] = int(batch.offsets[row])
                del self._samples[path]
                return

    def save(self) -> Any:
        return {
            "v": 1,
            "kinds": dict(self.kinds),
            "known_at": dict(self.known_at),
            "fixed": dict(self._fixed),
            "samples": {path: list(values) for path, values in self._samples.items()},
            "overflow": self.overflow,
        }

    def load(self, saved: Any) -> None:
        self._expanded.clear()
        self.kinds = dict(saved["kinds"])
        self.known_at = {path: int(at) for path, at in saved["known_at"].items()}
        self._fixed = dict(saved["fixed"])
        self._samples = {path: list(values) for path, values in saved["samples"].items()}
        self.overflow = saved["overflow"]


def infer(path: str, values: list[Any]) -> Kind:
    """The kind of a column from its first values (none missing)."""
    if _ID_NAME.search(path) and len({str(v) for v in values}) > len(values) // 2:
        return "id"
    if all(isinstance(v, bool) for v in values):
        return "category"
    if all(isinstance(v, list) for v in values):
        numeric = all(number(x)[1] not in (ABSENT, MISTYPED) for v in values for x in v)
        return "vector" if numeric else "text"
    if sum(number(v)[1] != MISTYPED for v in values) * 2 > len(values):
        return _infer_number(values)
    return _infer_text([v if isinstance(v, str) else str(v) for v in values])


def _infer_number(values: list[Any]) -> Kind:
    whole = [v for v in values if isinstance(v, int) and not isinstance(v, bool)]
    counting = len(whole) == len(values) and all(b > a for a, b in itertools.pairwise(whole))
    if not counting:
        return "number"
    return "time" if 1e9 <= whole[0] <= 4e9 or 1e12 <= whole[0] <= 4e12 else "id"


def _infer_text(values: list[str]) -> Kind:
    if all(_TIME_TEXT.match(v) for v in values):
        return "time"
    mean = sum(map(len, values)) / len(values)
    spaced = sum(" " in v for v in values) * 2 > len(values)
    if mean > 64 or (spaced and mean > 30):
        return "text"
    return "id" if len(set(values)) > 0.9 * len(values) and not spaced else "category"


def _is_pattern(pattern: str) -> bool:
    return any(mark in pattern for mark in "*?[")


def _plain(value: Any) -> Any:
    """A sample as something `state.dump` holds."""
    if isinstance(value, list):
        return [_plain(v) for v in value[:16]]
    if isinstance(value, str):
        return value[:256]
    return value if isinstance(value, bool | int | float) else str(value)[:256]
