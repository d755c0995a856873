"""What the routes stand on: everything the front process owns, made by `app.front`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol

from fastapi import Depends, Request

from monitor.web.auth import Doorkeeper, Identity, require

if TYPE_CHECKING:
    from monitor.core.rules.model import Book
    from monitor.formats.secrets import Secrets
    from monitor.runtime.books import Shelf
    from monitor.runtime.desk import Desk
    from monitor.spool import Spool
    from monitor.store.database import Database
    from monitor.web.gate_hub import GateHub
    from monitor.web.ingest import Intake


class Counts(Protocol):
    """What is counted of the routes; `telemetry.front.FrontMetrics` is one."""

    def answered(self, route: str, code: int, seconds: float) -> None: ...
    def acknowledged(self, after_seconds: float) -> None: ...
    def override(self, verb: str) -> None: ...
    def feedback(self, rule: str, verdict: str) -> None: ...


class Uncounted:
    """Counts nothing."""

    def answered(self, route: str, code: int, seconds: float) -> None: ...
    def acknowledged(self, after_seconds: float) -> None: ...
    def override(self, verb: str) -> None: ...
    def feedback(self, rule: str, verdict: str) -> None: ...


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
    secrets: Callable[[], Secrets]  # what to do with secret columns, as the rule book in force says
    hub: GateHub
    counts: Counts = field(default_factory=Uncounted)
    link_key: bytes = field(default=b"", repr=False)  # acknowledge links are signed with it
    hooks: Mapping[str, bytes] = field(default_factory=dict, repr=False)  # receiver -> secret of its webhooks

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
Anybody = Annotated[Identity, Depends(require("viewer", "ingest"))]  # services ask for their gate, too
Machine = Annotated[Identity, Depends(require("admin", "ingest"))]  # what only services say
Deployer = Annotated[Identity, Depends(require("operator", "ingest"))]
