"""On what terms a model is gated: what its packs say, and where several say something the strictest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from monitor.core.rules.model import Book, OnStale, OnStart, PackTerms, ReviewMode

_STALE: Final[tuple[OnStale, ...]] = ("auto", "keep", "review")
_START: Final[tuple[OnStart, ...]] = ("last", "review", "halt")
_REVIEW: Final[tuple[ReviewMode, ...]] = ("post", "pre")


@dataclass(frozen=True, slots=True)
class GateTerms:
    """As `PackTerms`, with what holds where no pack says anything. Times in seconds."""

    release: int = 1
    hold: float = 0.0
    on_stale: OnStale = "keep"
    on_start: OnStart = "last"
    review: ReviewMode = "pre"
    deadline: float = 60.0
    sample: float = 0.1


def terms_for(book: Book, model: str) -> GateTerms:
    """The terms in force for a model."""
    return together([pack.terms for pack in book.packs if pack.watches(model)])


def safe_states(book: Book, model: str) -> dict[str, str]:
    """What is safe while the model is halted, by each pack that names it."""
    return {pack.name: pack.fallback for pack in book.packs if pack.watches(model) and pack.fallback}


def together(terms: Sequence[PackTerms]) -> GateTerms:
    """The strictest of what several packs say."""
    usual = GateTerms()
    return GateTerms(
        release=max((one.release for one in terms if one.release is not None), default=usual.release),
        hold=max((one.hold for one in terms if one.hold is not None), default=usual.hold),
        on_stale=max((t.on_stale for t in terms if t.on_stale is not None), key=_STALE.index, default=usual.on_stale),
        on_start=max((t.on_start for t in terms if t.on_start is not None), key=_START.index, default=usual.on_start),
        review=max((one.review for one in terms if one.review is not None), key=_REVIEW.index, default=usual.review),
        deadline=min((one.deadline for one in terms if one.deadline is not None), default=usual.deadline),
        sample=max((one.sample for one in terms if one.sample is not None), default=usual.sample),
    )
