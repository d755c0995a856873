"""What the routes stand on: everything the front process owns, made by `app.front`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, Request

from monitor.web.auth import Doorkeeper, Identity, require

if TYPE_CHECKING:
    from monitor.core.rules.model import Book
    from monitor.runtime.books import Shelf
    from monitor.runtime.desk import Desk
    from monitor.spool import Spool
    from monitor.store.database import Database
    from monitor.web.ingest import Intake


@dataclass(slots=True)
class Front:
    """Owned by the front process; routes read it from `request.app.state.front`."""

    home: Path
    database: Database
    spool: Spool
    intake: Intake
    desk: Desk
    shelf: Shelf
    doorkeeper: Doorkeeper
    now: Callable[[], float]
    metrics: Callable[[str], tuple[bytes, str]]  # Accept header -> body, content type
    engine: Callable[[], dict[str, Any]]  # what the engine last said of itself
    partitions: int
    public_url: str
    changed: Callable[[], None]  # the rule book was replaced

    @property
    def book(self) -> Book:
        return self.shelf.current


def front(request: Request) -> Front:
    """The dependency."""
    found: Front = request.app.state.front
    return found


Here = Annotated[Front, Depends(front)]
Viewer = Annotated[Identity, Depends(require("viewer"))]
Operator = Annotated[Identity, Depends(require("operator"))]
Supervisor = Annotated[Identity, Depends(require("supervisor"))]
Admin = Annotated[Identity, Depends(require("admin"))]
Machine = Annotated[Identity, Depends(require("ingest"))]
