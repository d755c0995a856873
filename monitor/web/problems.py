"""Errors as RFC 9457 problem documents, or as a page for browsers: what happened and what to do, in whole sentences."""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import parse_qs

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.routing import Match

from monitor.runtime.desk_errors import Conflict, DeskError, Forbidden, NotFound
from monitor.spool.errors import SpoolError
from monitor.store.errors import LedgerUnavailable, Unknown
from monitor.web.render import page

_FOR_PROGRAMS: Final = ("/v1/", "/api/", "/-/", "/metrics", "/openapi.json", "/static/")
_NOTE: Final = 50_000  # bytes of a form that are looked through for what somebody typed
_PLAIN: Final = re.compile(r"/[A-Za-z0-9/._-]*")  # a path that can be typed in a shell as it is
_TITLES: Final = {  # for people
    403: "That is not allowed",
    404: "There is no such page",
    409: "That cannot be done now",
    422: "That cannot be shown",
    500: "The daemon made a mistake",
    503: "Not now",
}


class Problem(Exception):  # noqa: N818 - an answer, not a mistake
    """Something to answer with. `extra` goes into the document; `headers` to the response."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None, **extra: Any) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers, self.extra = status, detail, dict(headers or {}), extra


def document(problem: Problem) -> JSONResponse:
    """The problem as a document."""
    title = HTTPStatus(problem.status).phrase
    body = {**problem.extra, "type": "about:blank", "title": title, "status": problem.status, "detail": problem.detail}
    return JSONResponse(body, problem.status, problem.headers, media_type="application/problem+json")


def answer(request: Request, problem: Problem, typed: str = "") -> Response:
    """The problem as a page where a browser asked for one of our pages, as a document everywhere else.

    `typed` is the note of a form that came from somebody who is signed in no more.
    """
    browser = "text/html" in request.headers.get("accept", "")
    if not browser or request.url.path.startswith(_FOR_PROGRAMS):
        return document(problem)
    headers = {k: v for k, v in problem.headers.items() if k != "WWW-Authenticate"}  # else browsers ask by themselves
    if problem.status == 401:
        path = request.url.path.rpartition("/")[0] if request.method == "POST" else request.url.path
        back = path if _PLAIN.fullmatch(path) else ""
        return page(request, "signin.html", None, 401, headers, here=back, note=typed)
    title = _TITLES.get(problem.status, HTTPStatus(problem.status).phrase)
    return page(request, "problem.html", None, problem.status, headers, problem=problem, title=title, nav=True)


async def _note(request: Request) -> str:
    """What somebody whose session had ended wrote into a form."""
    if request.method != "POST" or "urlencoded" not in request.headers.get("content-type", ""):
        return ""
    try:
        fields = parse_qs((await request.body())[:_NOTE].decode(), max_num_fields=20)
    except (ValueError, HTTPException):  # no form of ours, or too large a one
        return ""
    return fields.get("note", [""])[-1]


def of_desk(error: DeskError) -> Problem:
    """What the desk answered instead of acting."""
    if isinstance(error, Conflict):
        # the newer one is the document's own members too, so that a client reads either answer in the same way
        return Problem(409, str(error), **error.current, current=error.current)
    status = 404 if isinstance(error, NotFound) else 403 if isinstance(error, Forbidden) else 409
    return Problem(status, str(error))


def install(app: FastAPI) -> None:
    """Answer every error of the application as a problem. Faults of ours are left to `doors`."""

    def handle(kind: type[Exception], make: Any) -> None:
        async def handler(request: Request, error: Any) -> Response:
            problem = make(request, error)
            return answer(request, problem, await _note(request) if problem.status == 401 else "")

        app.add_exception_handler(kind, handler)

    handle(Problem, lambda _, problem: problem)
    handle(DeskError, lambda _, error: of_desk(error))
    handle(Unknown, lambda _, error: Problem(404, str(error)))
    handle(LedgerUnavailable, lambda _, error: _ledger(error))
    handle(SpoolError, lambda _, error: _spool(error))
    handle(RequestValidationError, _invalid)
    handle(HTTPException, _http)


def _ledger(error: LedgerUnavailable) -> Problem:
    sentence = f"{str(error).rstrip('.')}. Nothing was changed; try again in a few seconds."
    return Problem(503, sentence, {"Retry-After": "2"})


def _spool(error: SpoolError) -> Problem:
    return Problem(503, f"The spool cannot be used: {error}", {"Retry-After": "5"})


def _invalid(request: Request, invalid: RequestValidationError) -> Problem:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    first = invalid.errors()[0]
    if first["loc"] == ("body",) and first["type"] != "missing" and not kind.endswith("json"):
        return Problem(415, "Send the body as JSON and say so: Content-Type: application/json.")
    if first["type"] == "json_invalid":
        return Problem(400, f"The body is no JSON at character {first['loc'][-1]}: {first['ctx']['error']}.")
    found = [f"{_place(e['loc'])}: {e['msg'].removeprefix('Value error, ').rstrip('.')}" for e in invalid.errors()[:5]]
    return Problem(422, f"The request is not what this route takes. {'; '.join(found)}.")


def _place(parts: tuple[int | str, ...]) -> str:
    """`body.matchers.0.name`, or the name alone for what stands in the address."""
    named = parts[1:] if parts[0] in ("query", "path") and len(parts) > 1 else parts
    return ".".join(str(part)[:100] for part in named)


def _http(request: Request, error: HTTPException) -> Problem:
    where = f"{request.method} {request.url.path[:200]}"
    headers = dict(error.headers or {})
    if error.status_code == 405 and (methods := _methods(request)):
        headers["Allow"] = ", ".join(methods)  # the framework names those of the first route alone
    sentences = {
        404: f"There is nothing at {request.url.path[:200]}; /openapi.json lists every route.",
        405: f"{request.method} is not for this route: use {headers.get('Allow', 'another method')}.",
        400: f"{where} could not be read: {error.detail}.",
    }
    return Problem(error.status_code, sentences.get(error.status_code, str(error.detail)), headers)


def _methods(request: Request) -> list[str]:
    """What may be done at an address, by all routes that have it."""
    routes = [route for route in request.app.state.routes if route.matches(request.scope)[0] is not Match.NONE]
    return sorted({method for route in routes for method in getattr(route, "methods", None) or ()})
