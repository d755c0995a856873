"""What time alone brings about: quiet periods, acknowledgements that run out, watches that ended, notices come due."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from monitor.core.changes import Changes
from monitor.core.incidents.casework import Casework
from monitor.core.incidents.machine import SETTLE, UNSEEN_AFTER, Facts
from monitor.core.incidents.model import Incident, RuleState
from monitor.core.notices.holds import Around, standing
from monitor.core.notices.keys import OWN_PACK
from monitor.core.notices.model import Policy, as_of
from monitor.core.notices.plan import NOTHING, owed
from monitor.core.rules.model import Absent, Book, Detect
from monitor.core.view import View

_NOBODY: Final[dict[str, str]] = {}


def sweep(view: View, book: Book, policy: Policy, at: float) -> Changes:
    """Everything whose time has come by daemon time `at`. Pure; sweeping twice changes nothing more."""
    work = Casework(view, policy, book, at)
    for incident in sorted(view.incidents.values(), key=lambda i: (i.opened_at, i.id)):
        work.plan(incident)
        if incident.state != "closed":
            _pass_time(work, _end_watch(work, incident))
    for key in sorted(view.rule_states):
        _end_condition(work, view.rule_states[key])
    return work.finish()


def next_due(view: View, book: Book, policy: Policy, at: float) -> float | None:
    """When `sweep` will next have something to do if nothing else happens; never before `at`."""
    around, policy = standing(view.incidents.values(), book, policy), as_of(policy, view.failing)
    found = [
        due for incident in view.incidents.values() for due in _deadlines(view, book, policy, incident, at, around)
    ]
    return max(at, min(found)) if found else None


def why_unwatched(work: Casework, rule: str, model: str) -> str | None:
    """Why a rule no longer watches a model, as a sentence; None while it does."""
    found = work.rule(rule, model)
    if rule.startswith(f"{OWN_PACK}/"):
        return None  # about the daemon itself: no book has it
    if found is None:
        return f"The rule {rule} is not in the rule book any more."
    pack, known = found
    expected = isinstance(known.form, Absent) and model in known.form.expect
    if pack.watches(model) or expected:
        return None
    return f"The pack {pack.name} does not watch the model {model} any more."


def _end_watch(work: Casework, incident: Incident) -> Incident:
    why = why_unwatched(work, incident.key, incident.model)
    if why is None:
        return incident
    return work.step(incident, "watch_ended", Facts(why=why)).incident


def _end_condition(work: Casework, state: RuleState) -> None:
    """Forget a condition that nothing will ever judge again; the incident it holds up says so."""
    why = why_unwatched(work, state.rule, state.model) or _why_unjudged(work, state)
    if why is None:
        return
    work.put_state(state.key, None)
    incident = work.incident(state.incident)
    if incident is not None and state.firing:
        work.step(incident, "watch_ended", Facts(why=why))


def _why_unjudged(work: Casework, state: RuleState) -> str | None:
    found = work.rule(state.rule, state.model)
    form = None if found is None else found[1].form
    if isinstance(form, Detect) and form.kind != "quality":
        return f"The rule {state.rule} looks for a {form.kind} now and no longer judges the condition it had."
    return None


def _pass_time(work: Casework, incident: Incident) -> None:
    incident = work.step(incident, "quiet", Facts()).incident
    until = incident.acknowledged_until
    if incident.state == "acknowledged" and until is not None and until <= work.at:
        incident = work.step(incident, "released", Facts(expired=True)).incident
    if incident.state == "open" and incident.cleared_at is not None and not incident.latches:
        work.step(incident, "cleared", Facts())  # given back after its condition had gone


def _deadlines(
    view: View, book: Book, policy: Policy, incident: Incident, at: float, around: Around
) -> Iterator[float]:
    if incident.state == "acknowledged":
        if incident.acknowledged_until is not None:
            yield incident.acknowledged_until
        if incident.cleared_at is not None and not incident.gate_held and not incident.latches:
            yield incident.cleared_at + SETTLE
    elif incident.state == "recovered":
        yield incident.changed_at + UNSEEN_AFTER
    found = book.find(incident.key, incident.model)
    labels = _NOBODY if found is None else found[1].labels
    due = owed(incident, policy, view.silences, at, view.recorded.get(incident.id, NOTHING), labels, around)
    if due.notices:
        yield at
    if due.next_at is not None:
        yield due.next_at
