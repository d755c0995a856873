"""One incident as a page: what happened, what to do, the evidence, and everything that people need to act on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from fastapi import Request
from fastapi.responses import Response

from monitor.core.rules.model import Rule
from monitor.core.rules.wording import sentence
from monitor.core.times import parse_time
from monitor.store import queries
from monitor.web.auth import Identity
from monitor.web.figures import figures
from monitor.web.front import Front
from monitor.web.pieces import piece
from monitor.web.problems import Problem
from monitor.web.render import page
from monitor.web.story import SAID, Moment, timeline, told

SHOWN, FOLDED = 10, 60  # pieces of evidence in the table, and below it to be unfolded
LINES: Final = 60  # of the timeline, the newest
_BEFORE: Final = 86_400.0  # seconds before an incident in which a deploy may be its cause
Act = Literal["acknowledge", "release", "note", "assign", "close", "reopen", "verdict"]
DONE: Final[Mapping[Act, str]] = {
    "acknowledge": "You have it now. Nobody else will be told until it runs out.",
    "release": "You gave it back. It is open again.",
    "note": "Your note is written down.",
    "assign": "The owner was changed.",
    "close": "It is closed.",
    "reopen": "It is open again.",
    "verdict": "Your verdict is written down.",
}
VERDICTS: Final = {
    "real": "something was wrong",
    "expected": "known, and meant to be so",
    "false": "a false alarm",
    "unclear": "nobody can tell",
}


@dataclass(frozen=True, slots=True)
class _Known:
    """What the ledger says of one incident."""

    found: dict[str, Any]
    told: list[str]
    story: list[Moment]
    rule: Rule | None  # None: it is in the book no longer


def incident_page(
    request: Request,
    here: Front,
    who: Identity,
    id_: str,
    status: int = 200,
    said: Act | None = None,
    problem: str = "",
    people: bool = False,
    typed: Mapping[str, str] | None = None,
) -> Response:
    """The page. `said` is what was just done, `problem` why what was asked for was not done. Raises Problem.

    `typed` are the fields of the form that was refused, with its `act`: nobody has to type a note twice.
    """
    now = here.now()
    known = _read(here, id_, people, now)
    found, rule = known.found, known.rule
    pieces = [piece(e, rule) for e in found["evidence"][: -SHOWN - FOLDED - 1 : -1]]
    return page(
        request,
        "incident.html",
        who,
        status,
        found=found,
        newest=pieces[0] if pieces else None,
        pieces=pieces[:SHOWN],
        folded=pieces[SHOWN:],
        more=max(0, len(found["evidence"]) - SHOWN - FOLDED),
        figures=figures(here, found, rule),
        told=known.told,
        story=known.story[-LINES:],
        earlier=max(0, len(known.story) - LINES),
        people=people,
        rule=rule,
        watches=None if rule is None else sentence(rule),
        may_act=who.may("operator"),
        may_close=who.may("supervisor" if found["latches"] else "operator"),
        done=None if said is None else DONE[said],
        problem=problem,
        typed={**dict.fromkeys(("act", "note", "verdict", "owner"), ""), **(typed or {})},
        verdicts=VERDICTS,
        now=now,
    )


def _read(here: Front, id_: str, people: bool, now: float) -> _Known:
    with here.database.read() as connection:
        found, incident = queries.incident(connection, id_), queries.load_incident(connection, id_)
        if found is None or incident is None:
            raise Problem(404, f"There is no incident {id_!r}.")
        trail = queries.incident_trail(connection, id_, incident.opened_at, tuple(SAID))
        deploys = queries.deploys(connection, incident.model)
        silences = queries.silences(connection, ended_after=now)
    near = [deploy for deploy in deploys if parse_time(deploy["at"]) > incident.opened_at - _BEFORE]
    _, rule = here.book.find(incident.key, incident.model) or (None, None)
    labels = {} if rule is None else rule.labels
    spoken = told(incident, found["notices"], here.desk.policy, silences, labels, now)
    return _Known(found, spoken, timeline(found, trail, near, people), rule)
