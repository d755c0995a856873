"""Pages to read: server-rendered, plain, and whole without JavaScript."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from monitor.store import queries
from monitor.web.api.incidents import page_of
from monitor.web.api.machines import account
from monitor.web.front import Here, Viewer
from monitor.web.incident_page import Act, incident_page
from monitor.web.model_page import decisions_page, model_page, told
from monitor.web.params import After, Id, Model, OfModel, State
from monitor.web.render import page

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
LISTED: Final = 50  # incidents on a page
MODELS: Final = 100  # on a page
CURRENT: Final[list[State]] = ["open", "acknowledged", "recovered"]
Named = Annotated[str, Query(max_length=200)]
Tab = Literal["", "open", "acknowledged", "recovered", "closed", "all"]


@router.get("/")
def home() -> Response:
    return RedirectResponse("/incidents", 303)


@router.get("/incidents")
def incidents(
    request: Request, here: Here, who: Viewer, state: Tab = "", model: OfModel = None, after: After = None
) -> Response:
    """The list; without `state` what is not closed."""
    states: list[State] = CURRENT if state == "" else [] if state == "all" else [state]
    found, following = page_of(here, states, model, None, LISTED, after)
    with here.database.read() as connection:
        counts, calling = queries.incidents_by_state(connection), queries.incidents_by_state(connection, calling=True)
        models = len(queries.models(connection))
    tabs = {"": sum(counts.get(name, 0) for name in CURRENT), **counts, "all": sum(counts.values())}
    return page(
        request,
        "incidents.html",
        who,
        found=found,
        following=following,
        state=state,
        model=model,
        tabs=tabs,
        calling=calling.get("open", 0),
        quiet=counts.get("open", 0) - calling.get("open", 0),
        models=models,
        rules=sum(len(pack.rules) for pack in here.book.packs),
        events=account(here),
        now=here.now(),
    )


@router.get("/incidents/{id_}")
def incident(
    request: Request,
    here: Here,
    who: Viewer,
    id_: Id,
    said: Act | None = None,
    people: bool = False,
) -> Response:
    """One incident. `said` is what was just done to it; `people` leaves out what the daemon did."""
    return incident_page(request, here, who, id_, said=said, people=people)


@router.get("/models")
def models(request: Request, here: Here, who: Viewer, named: Named = "", beyond: Named = "") -> Response:
    """Models by name: those whose name contains `named`, from the one after `beyond` on."""
    with here.database.read() as connection:
        gates = {gate["scope"]: gate["state"] for gate in queries.gates(connection)}
        known = queries.models(connection)
    wanted = [m for m in known if named.lower() in m["model"].lower() and m["model"] > beyond]
    found = [
        {**m, "rules": len(here.book.rules_for(m["model"])), "gate": gates.get(m["model"], "auto")}
        for m in wanted[:MODELS]
    ]
    following = found[-1]["model"] if len(wanted) > MODELS else None
    return page(
        request, "models.html", who, models=found, named=named, following=following, known=len(known), now=here.now()
    )


@router.get("/models/{model:path}")
def model(
    request: Request, here: Here, who: Viewer, model: Model, said: Literal["set", "asked"] | None = None
) -> Response:
    """One model: what is known of it, what watches it, and what came of that."""
    return model_page(request, here, who, model, said=said)


@router.get("/decisions")
def decisions(request: Request, here: Here, who: Viewer, said: Literal["decided"] | None = None) -> Response:
    """Answers that wait for a person, and what was decided of late."""
    return decisions_page(request, here, who, said=said)


@router.get("/rules")
def rules(request: Request, here: Here, who: Viewer) -> Response:
    packs = [{"pack": pack, "rules": [told(rule) for rule in pack.rules]} for pack in here.book.packs]
    return page(request, "rules.html", who, packs=packs)
