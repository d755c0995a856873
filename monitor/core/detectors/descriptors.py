"""Columns of text and of vectors as numbers: what a shift rule watches of them. Each is a series named `path: what`."""

from __future__ import annotations

import math
import re
from functools import lru_cache
from typing import Any

import numpy as np

from monitor.core.columns import Columns
from monitor.core.detectors.budget.replay import generator
from monitor.core.detectors.inputs import usable_from
from monitor.core.detectors.keyed_watcher import Part
from monitor.core.events import Batch, Floats

LONGEST = 4000  # characters of a text that are looked at, but for its length
PROJECTIONS = 4
WIDEST = 8192  # numbers of a vector
FOLDED = 64  # numbers that a longer vector is folded to before its distance is taken
DISTANCE = "distance to the reference"
_WORD = re.compile(r"\w+")
_REFUSAL = re.compile(
    r"\b(i (?:can(?:no|')t|am (?:not able|unable)|'m (?:not able|unable|sorry)|won't)|as an ai|i must decline)\b", re.I
)
_MAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,64}\.\w{2,10}")
_NUMBER = re.compile(r"\d[\d ()-]{8,16}\d")  # telephone, card and account numbers
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}[A-Z0-9]{10,30}\b")
TEXT = ("length", "words", "non-ASCII share", "repetition", "refusal", "personal data")


def describe_text(text: str) -> tuple[float, ...]:
    """What is watched of one text, in the order of `TEXT`. Expressions that cost much are tried only where a text has
    what all that they find must have."""
    start = text[:LONGEST]
    plain, lower = start.isascii(), start.lower()
    words = _WORD.findall(lower)
    count = len(words) if plain else len(_WORD.findall(start))
    foreign = 0.0 if plain else (len(start) - len(start.encode("ascii", "ignore"))) / len(start)
    refuses = (not plain or "i " in lower or "as an ai" in lower) and _REFUSAL.search(start) is not None
    return (
        float(len(text)),
        float(count),
        foreign,
        1 - len(set(words)) / len(words) if words else 0.0,
        float(refuses),
        float(_is_personal(start, lower)),
    )


def _is_personal(text: str, lower: str) -> bool:
    if "@" in text and _MAIL.search(text) is not None:
        return True
    return _NUMBER.search(text) is not None or (text != lower and _IBAN.search(text) is not None)


def descriptor_parts(paths: tuple[str, ...], columns: Columns, batch: Batch) -> list[Part]:
    """The text and vector columns of a batch that `paths` name, usable where the kind is known and there is a value."""
    parts = []
    for path in columns.expand(paths, ("text", "vector")):
        if path not in batch.columns:
            continue
        make = _of_texts if columns.kind(path) == "text" else _of_vectors
        usable = usable_from(batch, columns.first_row(path, batch), batch.present(path))
        for what, values in make(path, batch).items():
            parts.append(Part(f"{path}: {what}", values, usable & np.isfinite(values)))
        if make is _of_vectors:
            folded = np.array([_folded(value) for value in batch.raw(path)])
            parts.append(Part(f"{path}: {DISTANCE}", folded, usable & np.isfinite(folded[:, 0])))
    return parts


def is_distance(column: str) -> bool:
    """Whether a series is of the distances of vectors from where their reference lay."""
    return column.endswith(f": {DISTANCE}")


def _of_texts(path: str, batch: Batch) -> dict[str, Floats]:
    found = batch.derived("descriptors", path, lambda: [describe_text(text or "") for text in batch.texts(path)])
    return {what: np.array(values) for what, values in zip(TEXT, zip(*found, strict=True), strict=True)}


def _of_vectors(path: str, batch: Batch) -> dict[str, Floats]:
    """The length of each vector, and projections of it on directions that depend on its size alone; NaN for others."""
    names = ["norm", *(f"projection {k + 1}" for k in range(PROJECTIONS))]
    rows = [_projected(value) for value in batch.raw(path)]
    return {name: np.array([row[i] for row in rows]) for i, name in enumerate(names)}


def _numbers(value: Any) -> Floats | None:
    """A vector whose squares are finite, or None."""
    if not isinstance(value, list) or not 0 < len(value) <= WIDEST:
        return None
    try:
        numbers = np.array(value, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        return None
    return numbers if numbers.ndim == 1 and np.all(np.abs(numbers) < 1e150) else None


def _folded(value: Any) -> Floats:
    """At most `FOLDED` numbers as they are; each of more is added to one of `FOLDED` with a sign (a count sketch).

    That keeps squared distances on average. NaN for what is no vector. (Charikar, Chen, Farach-Colton, 2002.)
    """
    numbers = _numbers(value)
    if numbers is None:
        return np.full(FOLDED, math.nan)
    if len(numbers) <= FOLDED:
        return np.concatenate([numbers, np.zeros(FOLDED - len(numbers))])
    places, signs = _folds(len(numbers))
    return np.asarray(np.bincount(places, weights=signs * numbers, minlength=FOLDED), dtype=np.float64)


@lru_cache(maxsize=16)
def _folds(size: int) -> Any:
    drawn = generator(("fold", str(size)))
    return drawn.integers(0, FOLDED, size), drawn.choice([-1.0, 1.0], size)


def _projected(value: Any) -> list[float]:
    numbers = _numbers(value)
    if numbers is None:
        return [math.nan] * (PROJECTIONS + 1)
    return [math.sqrt(float((numbers * numbers).sum())), *(_signs(len(value)) * numbers).sum(axis=1).tolist()]


@lru_cache(maxsize=16)
def _signs(size: int) -> Any:
    return generator(("projection", str(size))).choice([-1.0, 1.0], (PROJECTIONS, size))
