"""Which series a row belongs to: the segment its rule names, and the version of the model that answered."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from monitor.core.events import Batch, Ints
from monitor.core.rules.model import OnVersion
from monitor.core.segments import Segments

KEPT = 4  # versions of one model side by side under `compare`
REMEMBERED = 64  # versions that are no news under `refit`


@dataclass(frozen=True, slots=True)
class Route:
    """Rows of a batch, ascending, that share a version ("" if the rule does not look at it) and a segment."""

    version: str
    segment: str
    rows: Ints


class Routes:
    """What a new version of the model does to a detector rule.

    keep: nothing. compare: each version has its own series, judged against its own first values, so that a deploy
    does not page by itself, a canary is not mixed with the rest, and a rollback finds its series as it was; the
    version longest unseen is forgotten beyond `KEPT`. refit: the first event of a version never seen starts every
    series afresh, as a reference mark would.
    """

    def __init__(self, by: tuple[str, ...], on_version: OnVersion) -> None:
        self.segments = Segments(by)
        self.on_version = on_version
        self.versions: dict[str, int] = {}  # version -> offset of its latest row, or of its first under refit

    def split(self, batch: Batch, forget: Callable[[str | None], None]) -> Iterator[Route]:
        """Routes in the order of their first rows, between changes of version in the order of time.

        `forget` is called between two routes when the series of one version, or all (None), must go.
        """
        if not batch.n:
            return
        codes = self.segments.codes(batch)
        if self.on_version == "keep":
            yield from self._group(None, codes, 0, batch.n)
            return
        distinct = {version or "" for version in batch.distinct_versions()}
        known = self.versions.keys() >= distinct
        if known and len(distinct) == 1 and self.on_version == "compare":  # the usual case, without a step a row
            (name,) = distinct
            self.versions[name] = int(batch.offsets[-1])
            for route in self._group(None, codes, 0, batch.n):
                yield replace(route, version=name)
            return
        names = [version or "" for version in batch.versions]
        start = 0
        while True:
            news = batch.n if known else self._next_news(names, start)
            yield from self._piece(names, codes, start, news, batch)
            if news == batch.n:
                return
            self._admit(names[news], int(batch.offsets[news]), forget)
            start = news

    def _next_news(self, names: list[str], start: int) -> int:
        return next((i for i in range(start, len(names)) if names[i] not in self.versions), len(names))

    def _admit(self, name: str, offset: int, forget: Callable[[str | None], None]) -> None:
        limit = KEPT if self.on_version == "compare" else REMEMBERED
        if len(self.versions) >= limit:
            oldest = min(self.versions, key=lambda v: (self.versions[v], v))
            del self.versions[oldest]
            if self.on_version == "compare":
                forget(oldest)
        if self.on_version == "refit" and self.versions:
            forget(None)
        self.versions[name] = offset

    def _piece(self, names: list[str], codes: Ints, start: int, stop: int, batch: Batch) -> Iterator[Route]:
        if self.on_version == "refit":
            yield from self._group(None, codes, start, stop)
            return
        self.versions.update(zip(names[start:stop], batch.offsets[start:stop].tolist(), strict=True))
        yield from self._group(names, codes, start, stop)

    def _group(self, names: list[str] | None, codes: Ints, start: int, stop: int) -> Iterator[Route]:
        """Rows by (version, segment), in the order of their first rows."""
        if start == stop:
            return
        label = codes[start:stop]
        if (names is None or len(set(names[start:stop])) == 1) and not label.any():
            yield Route("" if names is None else names[start], self.segments.names[0], np.arange(start, stop))
            return
        if names is not None and len(distinct := set(names[start:stop])) > 1:
            number = {name: i for i, name in enumerate(sorted(distinct))}
            label = label + np.array([number[name] for name in names[start:stop]]) * len(self.segments.names)
        order = np.argsort(label, kind="stable") if label.min() != label.max() else np.arange(stop - start)
        groups = np.split(order, np.flatnonzero(np.diff(label[order])) + 1)
        for group in sorted(groups, key=lambda rows: int(rows[0])):
            first = start + int(group[0])
            name = "" if names is None else names[first]
            yield Route(name, self.segments.names[int(codes[first])], start + group)

    def save(self) -> Any:
        return {"segments": self.segments.save(), "versions": dict(self.versions)}

    def load(self, saved: Any) -> None:
        self.segments.load(saved["segments"])
        self.versions = dict(saved["versions"])
