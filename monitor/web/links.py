"""Acknowledging by a link in a message, without signing in. GET only asks: scanners and previews follow links too."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from monitor.core.oversight.links import Link, LinkError, unseal
from monitor.core.times import parse_time
from monitor.runtime.desk_errors import DeskError
from monitor.store.queries import incident
from monitor.web.front import Front, Here
from monitor.web.render import page

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@router.get("/a/{text}")
def ask(request: Request, here: Here, text: str) -> Response:
    """What it is about, and a button. Nothing is changed."""
    try:
        link = unseal(text, here.link_key, here.now())
    except LinkError as problem:
        return _no(request, str(problem))
    why = here.desk.link_problem(link, text)
    if why is not None:
        return _no(request, why)
    with here.database.read() as connection:
        found = incident(connection, link.incident)
    return page(request, "link.html", None, incident=found, link=link, text=text, said=None, done=False)


@router.post("/a/{text}")
def act(request: Request, here: Here, text: str) -> Response:
    """Acknowledge. Whoever holds the link may: it is the only thing that is asked for."""
    try:
        link = unseal(text, here.link_key, here.now())
        shown = here.desk.acknowledge_by_link(link, text)
    except (LinkError, DeskError) as problem:
        return _no(request, str(problem))
    _count(here, shown, link)
    return page(request, "link.html", None, incident=shown, link=link, text="", said=None, done=True)


def _no(request: Request, sentence: str) -> Response:
    return page(request, "link.html", None, 403, incident=None, link=None, text="", said=sentence, done=False)


def _count(here: Front, shown: dict[str, str], link: Link) -> None:
    if shown["acknowledged_by"] == link.actor:
        after = parse_time(shown["acknowledged_at"]) - parse_time(shown["opened_at"])
        here.counts.acknowledged(after)
