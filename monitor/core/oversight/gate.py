"""The gate of one scope: `auto` < `review` < `halt`. Rules tighten, only people loosen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from monitor.core.changes import GATE_ORDER, Asked, Gate, GateState
from monitor.core.incidents.words import clock_text, duration_text
from monitor.core.oversight.scopes import as_state, read_scope
from monitor.core.oversight.terms import GateTerms

ASKED_FOR: Final = 3600.0  # seconds within which the second person has to ask for the same


def strictness(state: str) -> int:
    """0 for auto to 2 for halt."""
    return GATE_ORDER.index(state)


def untouched(scope: str) -> Gate:
    """The gate of a scope that nobody has ever set."""
    return Gate(scope, "auto", 0, "Nobody has set this gate.", 0.0, "machine")


def tightened(
    gate: Gate, state: GateState, by: str, reason: str, incident: str, at: float, newest: int = 0
) -> Gate | None:
    """The gate after a rule asked for `state`; None where it is that strict already.

    `newest` is the highest generation of any gate of the model.
    """
    if strictness(state) <= strictness(gate.state):
        return None
    return Gate(gate.scope, state, max(gate.generation, newest) + 1, reason, at, by, incident)


@dataclass(frozen=True, slots=True)
class GateRefusal:
    """Why a gate was left as it is. `stale`: the caller had not seen the newest generation."""

    sentence: str
    stale: bool = False


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person wants of a gate. `if_match` is the generation of the model they saw; an older one is refused.

    `break_glass` does without the second person and the time a halt stands at least.
    """

    state: str
    reason: str
    actor: str
    if_match: int | None = None
    break_glass: bool = False


def set_by_person(gate: Gate, wish: Wish, at: float, terms: GateTerms, newest: int = 0) -> Gate | GateRefusal:
    """A person's word: any state, always with a reason. Setting what is already set changes nothing.

    A halt may have to stand for a while, and take two people to end: after the first the gate is as it was, with
    `asked` set. `newest` is the highest generation of any gate of the model.
    """
    newest = max(gate.generation, newest)
    state = as_state(wish.state)
    if state is None:
        return GateRefusal(f"A gate cannot be {wish.state!r}; it is one of {', '.join(GATE_ORDER)}.")
    if not wish.reason.strip():
        return GateRefusal("A gate needs a reason: say why the model may do more or less from now on.")
    if wish.if_match is not None and wish.if_match != newest:
        return GateRefusal(
            f"The gate of {read_scope(gate.scope).shown} was changed meanwhile: it is {gate.state} at generation "
            f"{newest}, set by {gate.by}. Look again, then decide.",
            stale=True,
        )
    if state == gate.state:
        return gate
    made = Gate(gate.scope, state, newest + 1, wish.reason.strip(), at, wish.actor)
    if gate.state != "halt" or wish.break_glass:
        return made
    return _released(gate, made, terms, at)


def _released(gate: Gate, made: Gate, terms: GateTerms, at: float) -> Gate | GateRefusal:
    """A halt that somebody wants to end, on the terms of the pack."""
    until = gate.since + terms.hold
    if at < until:
        return GateRefusal(
            f"A halt of this model stands for at least {duration_text(terms.hold)}, this one until "
            f"{clock_text(until)}. If it cannot wait, break the glass: that calls people, too."
        )
    asked = gate.asked
    if terms.release < 2:
        return made
    if asked is None or asked.to != made.state or at - asked.at > ASKED_FOR:
        return replace(gate, asked=Asked(made.state, made.by, at, made.reason))
    if asked.by == made.by:
        return GateRefusal(
            f"{made.by} has asked for this already, and it takes another person to end a halt of this model. If nobody "
            "is to be had, break the glass: that calls people, too."
        )
    reason = f"{made.reason} (asked for by {asked.by}: {asked.reason})"
    return replace(made, reason=reason, by=f"{asked.by}, {made.by}"[:100])
