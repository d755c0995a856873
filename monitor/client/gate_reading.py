"""What a daemon said of a gate, and what follows from it. No clock, no network: time is an argument."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

STATES = ("auto", "review", "halt")
ON_STALE = ("keep", "review", "auto")
ON_START = ("last", "review", "halt")
DRILL = "overloop.drill"  # the operation on which halts are rehearsed


class Verdict(NamedTuple):
    """`state` is auto, review or halt; `reason` says why in words. `generation` rises with every change, 0 if
    the daemon was never reached. `known` is False where nobody has said so lately. `review` says what review means:
    `pre`, a person decides before the answer goes out, or `post`, people look at some answers afterwards.
    """

    state: str
    reason: str
    generation: int
    known: bool
    review: str = "pre"


class Part(NamedTuple):
    """The gate of one version, segment or operation."""

    part: str
    value: str
    state: str
    reason: str


class Reading(NamedTuple):
    """One answer of the daemon. `lease` and `deadline` in seconds."""

    epoch: str
    generation: int
    state: str
    reason: str
    parts: tuple[Part, ...] = ()
    lease: float = 60.0
    on_stale: str = "keep"
    on_start: str = "last"
    review: str = "pre"
    deadline: float = 60.0
    sample: float = 0.1

    def holds(self, named: Mapping[str, str | None]) -> tuple[str, str]:
        """State and reason of the most restrictive gate that matches what is named: version, segment, operation."""
        state, reason = self.state, self.reason
        for one in self.parts:
            if named.get(one.part) == one.value and strictness(one.state) > strictness(state):
                state, reason = one.state, one.reason
        return state, reason

    def to_json(self) -> str:
        return json.dumps({**self._asdict(), "parts": [list(one) for one in self.parts]}, sort_keys=True)


def strictness(state: str) -> int:
    """0 for auto to 2 for halt."""
    return STATES.index(state)


def read(answer: Mapping[str, Any]) -> Reading | None:
    """What the daemon answered, None where it cannot be read."""
    try:
        terms = answer.get("terms") or {}
        reading = Reading(
            str(answer.get("epoch") or ""),
            int(answer["generation"]),
            str(answer["state"]),
            str(answer.get("reason") or ""),
            tuple(
                Part(str(one["part"]), str(one["value"]), str(one["state"]), str(one.get("reason") or ""))
                for one in answer.get("scopes") or ()
            ),
            float(answer["lease_seconds"]),
            str(terms.get("on_stale", "keep")),
            str(terms.get("on_start", "last")),
            str(terms.get("review", "pre")),
            float(terms.get("deadline_seconds", 60.0)),
            float(terms.get("sample", 0.1)),
        )
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError):
        return None
    return reading if _sound(reading) else None


def from_json(text: str) -> Reading | None:
    """What `Reading.to_json` wrote, None for anything else."""
    try:
        fields = json.loads(text)
        fields["parts"] = tuple(Part(*one) for one in fields["parts"])
        reading = Reading(**fields)
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError):
        return None
    return reading if _sound(reading) else None


def older(new: Reading, known: Reading | None) -> bool:
    """Whether an answer is of the past: of a lower epoch, or of the same with a lower generation. A ledger that came
    back from a backup has a higher epoch, so what it says holds, whatever its generation."""
    return known is not None and (new.epoch, new.generation) < (known.epoch, known.generation)


def tightened(known: Reading, past: Reading) -> Reading:
    """What is known, with what an answer of the past tightens: of the whole and of each part the stricter holds."""
    parts = {(one.part, one.value): one for one in known.parts}
    for one in past.parts:
        there = parts.get((one.part, one.value))
        if there is None or strictness(one.state) > strictness(there.state):
            parts[one.part, one.value] = one
    if strictness(past.state) > strictness(known.state):
        known = known._replace(state=past.state, reason=past.reason)
    return known._replace(parts=tuple(parts.values()))


def standing(reading: Reading, named: Mapping[str, str | None]) -> Verdict:
    """What holds while the lease runs."""
    state, reason = reading.holds(named)
    return Verdict(state, reason, reading.generation, True, reading.review)


def unheard(reading: Reading | None, named: Mapping[str, str | None], on_start: str | None, problem: str) -> Verdict:
    """What holds while nothing was heard since the start: what was known last, and `on_start` if that is stricter."""
    state, before = ("auto", "nothing is known") if reading is None else reading.holds(named)
    wanted = on_start or ("last" if reading is None else reading.on_start)
    if wanted != "last" and strictness(wanted) > strictness(state):
        state = wanted
    reason = f"The gate was not read since the start, so {state} stands: {problem}. Before that: {before}"
    if reading is None:
        return Verdict(state, reason, 0, False)
    return Verdict(state, reason, reading.generation, False, reading.review)


def stale(reading: Reading, named: Mapping[str, str | None], on_stale: str | None, problem: str) -> Verdict:
    """What holds once the lease has run out. A halt stands until the daemon says otherwise."""
    state, reason = reading.holds(named)
    wanted = on_stale or reading.on_stale
    if wanted == "review" and state == "auto":
        state = "review"
    elif wanted == "auto" and state == "review":
        state = "auto"
    said = f"The gate cannot be read, so {state} stands: {problem}. Before that: {reason}"
    return Verdict(state, said, reading.generation, False, reading.review)


def _sound(reading: Reading) -> bool:
    states = {reading.state, *(one.state for one in reading.parts)}
    words = reading.on_stale in ON_STALE and reading.on_start in ON_START and reading.review in ("pre", "post")
    return states <= set(STATES) and words and reading.generation >= 0 and reading.lease >= 0
