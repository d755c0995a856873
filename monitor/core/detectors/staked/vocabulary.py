"""Which categories of a column have a bet of their own, and which values it has never had."""

from __future__ import annotations

from typing import Any

import numpy as np

from monitor.core.detectors.staked.thinned import LONGEST
from monitor.core.events import Floats, Ints

OWN = 28  # categories with a bet of their own
EACH = 100  # values of the reference for each of them
RARE, MANY = 10, 3  # a column with more than MANY categories seen under RARE times gets new ones in its ordinary course
TIMES = 3  # a never-seen value is told at its third occurrence
WAITING = 50  # never-seen values that are counted at a time
TOLD = 200  # of them that are remembered


class Vocabulary:
    """`own` are categories bet on; their code is their place, `len(own)` is that of all others."""

    def __init__(self, own: list[str], others: list[str], closed: bool) -> None:
        self.own, self.others, self.closed = own, others, closed
        self._codes = {name: i for i, name in enumerate(own)}
        self._known = {*own, *others}
        self._strange: dict[str, int] = {}

    def codes(self, texts: Any) -> Floats:
        last = len(self.own)
        return np.array([self._codes.get(text[:LONGEST], last) for text in texts], dtype=np.float64)

    def news(self, texts: Any) -> list[tuple[int, str]]:
        """Places and names of values that have now come for the third time and never did in the reference."""
        if not self.closed:
            return []
        strange = {text for text in set(texts) if text[:LONGEST] not in self._known}
        return (
            [] if not strange else [n for i, text in enumerate(texts) if text in strange and (n := self._new(i, text))]
        )

    def _new(self, place: int, text: str) -> tuple[int, str] | None:
        name = text[:LONGEST]
        if name in self._known or (name not in self._strange and len(self._strange) >= WAITING):
            return None
        self._strange[name] = self._strange.get(name, 0) + 1
        if self._strange[name] < TIMES:
            return None
        del self._strange[name]
        self._known.add(name)
        self.others.append(name)
        self.closed = len(self.others) <= TOLD + WAITING
        return place, name

    def save(self) -> Any:
        return [self.own, self.others, self.closed, [[name, n] for name, n in self._strange.items()]]


def vocabulary(names: list[str], codes: Ints) -> tuple[Vocabulary, Floats]:
    """The vocabulary of a reference of `codes` into `names`, and how often each of its codes comes in it."""
    counts = np.bincount(codes, minlength=len(names))
    seen = [k for k in np.argsort(-counts, kind="stable").tolist() if counts[k]]
    most = int(min(max(len(codes) // EACH, 2), OWN))
    own, rest = (seen, []) if len(seen) <= most else (seen[: most - 1], seen[most - 1 :])
    closed = int((counts[seen] < RARE).sum()) <= MANY
    others = [names[k] for k in rest if closed]  # an open vocabulary needs no names of what is rare
    shares = np.append(counts[own], counts[rest].sum()) / len(codes)
    return Vocabulary([names[k] for k in own], others, closed), shares


def load_vocabulary(saved: Any) -> Vocabulary:
    own, others, closed, strange = saved
    made = Vocabulary(list(own), list(others), closed)
    made._strange = dict(strange)
    return made
