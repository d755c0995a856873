"""What people do to an incident, each a pure function over a `Casework`: it changes that, or answers a refusal.

A refusal is a whole sentence for the person who asked; None means it was done.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from monitor.core.incidents.casework import Casework, named
from monitor.core.incidents.effects import revised
from monitor.core.incidents.machine import Facts
from monitor.core.incidents.model import Incident, RuleState, Verdict
from monitor.core.incidents.words import duration_text
from monitor.core.notices.clean import clean

VERDICTS: Final[tuple[Verdict, ...]] = ("real", "expected", "false", "unclear")
LONGEST: Final = 30 * 86400.0  # seconds one acknowledgement may stand
NOTE: Final = 4000  # characters
NAME: Final = 100


def acknowledge(
    work: Casework, incident: Incident, actor: str, for_: float | None = None, take: bool = False
) -> str | None:
    """ "I have it", for `for_` seconds (by default the policy's). Doing it twice is doing it once.

    Of an incident that another has acknowledged, `take` takes it over.
    """
    if for_ is not None and not 0 < for_ <= LONGEST:
        return f"An acknowledgement stands for more than nothing and at most {duration_text(LONGEST)}."
    again = incident.state == "acknowledged" and for_ is None and not take
    until = None if again else work.at + (work.policy.acknowledge_for if for_ is None else for_)
    outcome = work.step(incident, "acknowledged", Facts(actor=actor, until=until, take=take))
    return outcome.refusal


def release(work: Casework, incident: Incident, actor: str) -> str | None:
    """Give an acknowledgement back: the incident stands open again. Nothing happens if nobody has it."""
    return work.step(incident, "released", Facts(actor=actor)).refusal


def note_problem(text: str) -> str | None:
    """Why a note cannot be kept; None if it can. Notes are facts: allowed in any state, they change nothing else."""
    return None if text.strip() and len(text) <= NOTE else f"A note has 1 to {NOTE} characters."


def assign(work: Casework, incident: Incident, actor: str, owner: str | None) -> str | None:
    """Make somebody the owner, or (None) nobody, in any state."""
    name = None if owner is None else clean(owner, NAME)
    if name == "":
        return "Say who is to own the incident, or give no owner to have none."
    if name == incident.owner:
        return None
    changed = revised(incident, replace(incident, owner=name))
    work.put(changed)
    work.record("assigned", actor, {**named(changed), "from": incident.owner, "to": name})
    return None


def close(work: Casework, incident: Incident, actor: str, verdict_: str | None = None) -> str | None:
    """Close it, in any state. A latched incident's detectors watch again; a level that still fires keeps quiet until
    it cleared once or 24 hours have passed."""
    if verdict_ is not None:
        refusal = verdict(work, incident, actor, verdict_)
        if refusal is not None:
            return refusal
        incident = work.incident(incident.id) or incident
    outcome = work.step(incident, "closed", Facts(actor=actor))
    if "mute" in outcome.effects:
        for state in _states(work, incident):
            if state.firing and state.incident == incident.id:
                work.put_state(state.key, replace(state, incident=None, muted_since=work.at))
    return outcome.refusal


def reopen(work: Casework, incident: Incident, actor: str) -> str | None:
    """Take a closing back; refused where the rule has a newer incident."""
    outcome = work.step(incident, "reopened", Facts(actor=actor, newer=work.newer(incident)))
    if outcome.refusal is None:
        for state in _states(work, incident):
            if state.muted_since is not None:
                work.put_state(state.key, replace(state, incident=incident.id, muted_since=None))
    return outcome.refusal


def verdict(work: Casework, incident: Incident, actor: str, said: str) -> str | None:
    """What the incident was, in any state."""
    if said not in VERDICTS:
        return f"A verdict is one of {', '.join(VERDICTS)}, not {clean(said, 40)!r}."
    if said == incident.verdict:
        return None
    changed = revised(incident, replace(incident, verdict=said))
    work.put(changed)
    work.record("verdict", actor, {**named(changed), "was": incident.verdict})
    return None


def end_watch(work: Casework, incident: Incident, actor: str, why: str) -> None:
    """Its model was retired."""
    work.step(incident, "watch_ended", Facts(actor=actor, why=why))


def _states(work: Casework, incident: Incident) -> list[RuleState]:
    states = work.tracked(incident.key, incident.model, incident.historical).values()
    return [s for s in list(states) if not incident.segment or s.segment == incident.segment]
