"""Incidents about those who are to be told: a receiver that takes no message, and tests of receivers."""

from __future__ import annotations

from typing import Final

from monitor.core.incidents.casework import Casework, Episode
from monitor.core.incidents.machine import Facts
from monitor.core.incidents.model import Incident, incident_id
from monitor.core.incidents.words import clock_text
from monitor.core.notices.clean import clean
from monitor.core.notices.keys import OWN_PACK, RECEIVER_FAILING, notice_key, receiver_subject
from monitor.core.notices.model import Notice

_MEANING: Final = (
    "Whoever is told by this receiver hears of nothing for now. Calls to it are kept and tried again until they are "
    "delivered; meanwhile its fallback and the next step of each policy are called at once."
)
_ACTION: Final = "Mend the receiver (its address, its key, the service itself), then run: overloop receivers test"


def failing(work: Casework, name: str, problem: str) -> str:
    """A receiver takes no messages. Answers the id of the incident about it, which calls people by other receivers."""
    known = work.current(_episode(name))
    summary = f"The receiver {clean(name, 80)} has taken no message since {clock_text(work.at)}: {clean(problem, 300)}"
    if known is not None:
        outcome = work.step(known, "fired", Facts(severity="high"))
        if not outcome.new:
            return known.id
    id_ = incident_id(0, int(work.at * 1000.0), f"{OWN_PACK}/{RECEIVER_FAILING}", receiver_subject(name))
    made = _about(name, id_, RECEIVER_FAILING, summary, work.at, "high")
    work.put(made)
    work.record("incident_opened", "machine", {"incident": id_, "rule": made.key, "model": made.model, "why": summary})
    return id_


def works(work: Casework, name: str) -> None:
    """It takes messages again: what was said of it is over."""
    known = work.current(_episode(name))
    if known is not None:
        work.step(known, "cleared", Facts())


def test_of(work: Casework, name: str, id_: str, actor: str) -> Incident:
    """A message that says it is a test is owed to a receiver. What it is about is closed from the start."""
    summary = f"This is a test of the receiver {clean(name, 80)} that {clean(actor, 80)} asked for. Nothing is wrong."
    open_ = _about(name, id_, "Test", summary, work.at, "low")
    fields = {"state": "closed", "stage": "shadow", "closed_at": work.at, "closed_by": actor, "seen": True}
    made = Incident(**{name: getattr(open_, name) for name in Incident.__slots__} | fields)
    work.changes.incidents[id_] = made
    key = notice_key(id_, "test", 1, 0, name)
    work.changes.notices.append(Notice(key, id_, name, "test", 1, 0, work.at, work.at))
    work.record("receiver_tested", actor, {"receiver": name, "incident": id_})
    return made


def _episode(name: str) -> Episode:
    return Episode(f"{OWN_PACK}/{RECEIVER_FAILING}", receiver_subject(name), "", "live", False)


def _about(name: str, id_: str, rule: str, summary: str, at: float, severity: str) -> Incident:
    return Incident(
        id=id_,
        pack=OWN_PACK,
        rule=rule,
        model=receiver_subject(name),
        version=None,
        segment="",
        severity=severity,  # type: ignore[arg-type]
        stage="live",
        historical=False,
        latches=False,
        state="open",
        opened_at=at,
        changed_at=at,
        summary=summary,
        meaning=_MEANING if rule == RECEIVER_FAILING else "",
        action=f"{_ACTION} {clean(name, 80)}." if rule == RECEIVER_FAILING else "",
    )
