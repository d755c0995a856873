"""One rule's live memory for one model: what the bank holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol

from monitor.core.events import Batch, Floats
from monitor.core.findings import Finding, Level

MarkKind = Literal[
    "tick",
    "book",
    "reference",
    "freeze",
    "unfreeze",
    "rearm",
    "promote",
    "kinds",
    "gap",
    "behind",
    "full",
    "seat",
    "quarantine",
    "retire",
]


@dataclass(frozen=True, slots=True)
class Mark:
    """A change of the bank that is no event. `model` and `rule` are None where it concerns all.

    rearm: the detectors of `rule` on `model` (segment "" = all) start watching again. reference: the present is
    accepted as the new normal. Both may have a body `{"historical"}`: True is for history only, False for the present
    only. promote: a rule went from shadow to live, so what was reported to nobody is looked at again; it comes of a
    book and stands in no step. kinds: body `{"column", "kind"}`. gap: body `{"from", "to"}`, daemon time during
    which nobody watched; it does not count as absence. behind: body `{"to"}`: more records were waiting, so levels
    are as of then and not of the step's own time. full: body `{"full"}`: whether the bank has no room for more models.
    seat: body `{"taken"}`: whether `model` is among those watched for anomalies, which take more memory than all else.
    retire: body `{"until"}`: events recorded before then, when a person retired the model, do not bring it back.
    book: body `{"digest"}`. quarantine: body `{"offsets"}`.
    """

    kind: MarkKind
    at: float
    model: str | None = None
    rule: str | None = None
    segment: str = ""
    body: dict[str, Any] | None = None


class Watcher(Protocol):
    """What every detector rule and every window rule is to the bank. Deterministic in its inputs.

    `clock` in `observe` is the rule clock of each row, non-decreasing within a model. `observe` returns edges;
    `assess`, called once at the end of a step and at every tick, returns the level at rule time `at`, or None for
    a rule that has only edges. Nothing a producer can send may raise. Cutting a stream into batches elsewhere must
    not change the findings of `observe`, nor the level at a given time.
    """

    def observe(self, batch: Batch, clock: Floats) -> list[Finding]: ...

    def assess(self, at: float) -> Level | None: ...

    def apply(self, mark: Mark) -> None:
        """React to a rearm, promote, reference, freeze, unfreeze or gap mark meant for this watcher."""
        ...

    def save(self) -> Any:
        """State for `core.state.dump`, with a `"v"` (format version) in it."""
        ...

    def load(self, saved: Any) -> None:
        """Continue from `save`. Raises `core.state.StateError` if it cannot; the bank then starts it afresh."""
        ...

    def memory(self) -> int:
        """Bytes held, an honest estimate."""
        ...

    def describe(self) -> dict[str, Any]:
        """For `rules explain`: since when it watches, what it has, how near it is to tripping. JSON-able."""
        ...
