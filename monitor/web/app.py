"""The front's application: intake, API and pages behind one set of doors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

import monitor
from monitor.web import acting, acting_gates, links, openapi, pages, problems, signin
from monitor.web.api import (
    access,
    alertmanager,
    audit,
    decisions,
    gates,
    incidents,
    machines,
    models,
    ofrep,
    oversight,
    pagerduty,
    prometheus,
    receivers,
    references,
    rollouts,
)
from monitor.web.doors import RAW, Doors
from monitor.web.front import Front

STATIC = Path(__file__).parent / "static"
FOR_PROGRAMS = (
    incidents,
    oversight,
    gates,
    decisions,
    receivers,
    models,
    references,
    access,
    audit,
    machines,
    rollouts,
    openapi,
)
FOR_OTHER_TOOLS = (alertmanager, ofrep, pagerduty, prometheus)  # whose interfaces others have defined
FOR_PEOPLE = (pages, acting, acting_gates, signin, links)


class App(FastAPI):
    """The framework, and past it the routes of `straight`: on those it costs more than all that is done there."""

    straight: Mapping[str, Doors]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        way = self.straight.get(scope["path"]) if scope["type"] == "http" else None
        await (super().__call__ if way is None else way)(scope, receive, send)


def create_app(front: Front, allowed: set[str]) -> App:
    """The ASGI application. `allowed` are the names, without port, that it answers to (`doors.allowed_hosts`)."""
    app = App(
        title="Overloop",
        version=monitor.__version__,
        summary="Watches AI models at work and calls a person only when something needs one.",
        openapi_url=None,  # ours takes a token
        docs_url=None,  # its pages load scripts from elsewhere
        redoc_url=None,
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.front = front
    problems.install(app)
    intake = {"/v1/events": front.intake.events, "/v1/truth": front.intake.truth}
    app.straight = {path: Doors(intake[path], allowed, front.counts.answered) for path in RAW}
    app.router.routes += [Route(path, intake[path]) for path in sorted(RAW)]
    parts = (*FOR_PROGRAMS, *FOR_OTHER_TOOLS, *FOR_PEOPLE)
    for part in parts:
        app.include_router(part.router)
    app.state.routes = [route for part in parts for route in part.router.routes]
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    app.add_middleware(Doors, allowed=allowed, count=front.counts.answered)
    return app
