"""Somebody ended a halt without what the pack asks for: people are called, whatever the reason."""

from __future__ import annotations

from typing import Final

from monitor.core.changes import Gate
from monitor.core.incidents.casework import Casework
from monitor.core.incidents.model import Incident, incident_id
from monitor.core.notices.clean import clean
from monitor.core.notices.keys import OWN_PACK
from monitor.core.oversight.scopes import Scope

RULE: Final = "GateBreakGlass"
_MEANING: Final = (
    "The pack asks for a second person, or for a halt to stand a while, before a model may go on. That was passed "
    "over. It may have been right; somebody other than the one who did it has to look."
)
_ACTION: Final = (
    "Look at the reason given and at the incident that halted the model; halt it again if in doubt: overloop gate set"
)


def glass_broken(work: Casework, scope: Scope, after: Gate, actor: str) -> str:
    """Open the incident that calls people about it, and answer its id."""
    why = clean(after.reason, 500)
    summary = (
        f"{clean(actor, 80)} set the gate of {clean(scope.shown, 200)} to {after.state} by breaking the glass: {why}"
    )
    id_ = incident_id(0, int(work.at * 1000.0), f"{OWN_PACK}/{RULE}", after.scope)
    made = Incident(
        id=id_,
        pack=OWN_PACK,
        rule=RULE,
        model=scope.model,
        version=None,
        segment="",
        severity="critical",
        stage="live",
        historical=False,
        latches=True,
        state="open",
        opened_at=work.at,
        changed_at=work.at,
        summary=summary,
        meaning=_MEANING,
        action=f"{_ACTION} {clean(scope.model, 80)} halt --reason ….",
    )
    work.put(made)
    said = {"incident": id_, "rule": made.key, "model": scope.model, "why": summary}
    work.record("break_glass", actor, {"model": scope.model, "scope": scope.shown, "to": after.state, "incident": id_})
    work.record("incident_opened", "machine", said)
    return id_
