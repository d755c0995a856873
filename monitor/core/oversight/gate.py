"""The gate of one scope (a model): `auto` < `review` < `halt`. Rules tighten, only people loosen."""

from __future__ import annotations

from dataclasses import dataclass

from monitor.core.changes import GATE_ORDER, Gate, GateState


def strictness(state: str) -> int:
    """0 for auto to 2 for halt."""
    return GATE_ORDER.index(state)


def untouched(scope: str) -> Gate:
    """The gate of a scope that nobody has ever set."""
    return Gate(scope, "auto", 0, "Nobody has set this gate.", 0.0, "machine")


def tightened(gate: Gate, state: GateState, by: str, reason: str, incident: str, at: float) -> Gate | None:
    """The gate after a rule asked for `state`; None where it is that strict already."""
    if strictness(state) <= strictness(gate.state):
        return None
    return Gate(gate.scope, state, gate.generation + 1, reason, at, by, incident)


@dataclass(frozen=True, slots=True)
class GateRefusal:
    """Why a gate was left as it is. `stale`: the caller had not seen the newest generation."""

    sentence: str
    stale: bool = False


def set_by_person(
    gate: Gate, state: str, reason: str, actor: str, at: float, if_match: int | None = None
) -> Gate | GateRefusal:
    """A person's word: any state, always with a reason. Setting what is already set changes nothing.

    `if_match` is the generation the person saw; an older one is refused.
    """
    if state not in GATE_ORDER:
        return GateRefusal(f"A gate cannot be {state!r}; it is one of {', '.join(GATE_ORDER)}.")
    if not reason.strip():
        return GateRefusal("A gate needs a reason: say why the model may do more or less from now on.")
    if if_match is not None and if_match != gate.generation:
        return GateRefusal(
            f"The gate of {gate.scope} was changed meanwhile: it is {gate.state} at generation "
            f"{gate.generation}, set by {gate.by}. Look again, then decide.",
            stale=True,
        )
    if state == gate.state:
        return gate
    return Gate(gate.scope, state, gate.generation + 1, reason.strip(), at, actor)
