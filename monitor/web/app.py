"""The front's application: intake, API and pages behind one set of doors."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from starlette.routing import Route

import monitor
from monitor.web import pages, problems
from monitor.web.api import access, audit, incidents, machines, oversight
from monitor.web.front import Front
from monitor.web.hosts import Hosts

STATIC = Path(__file__).parent / "static"


def create_app(front: Front, allowed: set[str]) -> FastAPI:
    """The ASGI application. `allowed` are the Host names it answers to."""
    app = FastAPI(
        title="Overloop",
        version=monitor.__version__,
        summary="Watches AI models at work and calls a person only when something needs one.",
        docs_url=None,  # its pages load scripts from elsewhere
        redoc_url=None,
    )
    app.state.front = front
    problems.install(app)
    app.router.routes += [Route("/v1/events", front.intake.events), Route("/v1/truth", front.intake.truth)]
    for router in (incidents.router, oversight.router, access.router, audit.router, machines.router, pages.router):
        app.include_router(router)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    app.add_middleware(Hosts, allowed=allowed)
    return app
