"""One model as a page, with its gate and who follows it; and the answers about which services ask people."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from fastapi import Request
from fastapi.responses import Response

from monitor.core.rules.defaults import texts_of
from monitor.core.rules.model import Rule
from monitor.core.rules.wording import sentence
from monitor.store import queries
from monitor.web.api.incidents import page_of
from monitor.web.auth import Identity
from monitor.web.front import Front
from monitor.web.gate_answers import gate_answer
from monitor.web.render import page

LISTED: Final = 20  # incidents, clients and decisions on a page
_DONE: Final[Mapping[str, str]] = {
    "set": "The gate is set. Services that listen follow within a second.",
    "asked": "You have asked that the halt end. It ends when another person asks for the same within an hour.",
    "decided": "Your decision is written down, and the service goes on with it.",
}
_NOTHING: Final[Mapping[str, str]] = {}


def model_page(
    request: Request,
    here: Front,
    who: Identity,
    model: str,
    status: int = 200,
    said: str | None = None,
    problem: str | None = None,
    typed: Mapping[str, str] = _NOTHING,
) -> Response:
    """Everything about a model. `said` is what was just done; `problem` why it was not, and `typed` what was typed.

    Raises Unknown.
    """
    found, following = page_of(here, [], model, None, LISTED, None)
    with here.database.read() as connection:
        known = queries.model(connection, model)
        gate, deploys = gate_answer(connection, here.book, model), queries.deploys(connection, model)
        references = queries.references(connection, model)
        clients = queries.gate_clients(connection, model, here.now())
        drills = queries.drills(connection, model, 1)
    return page(
        request,
        "model.html",
        who,
        status,
        model=known,
        gate=gate,
        clients=clients,
        shown_clients=clients[:LISTED],
        drill=drills[0] if drills else None,
        may_gate=who.may("supervisor"),
        done=_DONE.get(said or ""),
        problem=problem,
        typed=typed,
        deploys=deploys,
        references=references,
        found=found,
        following=following,
        rules=[told(rule) for _, rule in here.book.rules_for(model)],
        now=here.now(),
    )


def decisions_page(
    request: Request,
    here: Front,
    who: Identity,
    status: int = 200,
    said: str | None = None,
    problem: str | None = None,
    typed: Mapping[str, str] = _NOTHING,
) -> Response:
    """What waits for a person, the most urgent first."""
    now = here.now()
    with here.database.read() as connection:
        waiting = queries.decisions(connection, now, "waiting", limit=LISTED)
        latest = [one for one in queries.decisions(connection, now, limit=2 * LISTED) if one["state"] != "waiting"]
    return page(
        request,
        "decisions.html",
        who,
        status,
        waiting=[{**one, **{name: _text(one[name]) for name in ("inputs", "proposed", "fallback")}} for one in waiting],
        latest=[{**one, "answer": _text(one["answer"])} for one in latest[:LISTED]],
        may_decide=who.may("supervisor"),
        done=_DONE.get(said or ""),
        problem=problem,
        typed=typed,
        now=now,
    )


def told(rule: Rule) -> dict[str, Any]:
    """A rule with what it watches and what it says, in words."""
    return {"rule": rule, "watches": sentence(rule), "texts": texts_of(rule)}


def _text(value: Any) -> str:
    """JSON for people to read; long ones are cut."""
    text = json.dumps(value, ensure_ascii=False, indent=1)
    return text if len(text) <= 4000 else text[:4000] + "\n…"
