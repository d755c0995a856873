"""The audit log, to read and to check."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from monitor.store import queries
from monitor.web.front import Here, Viewer
from monitor.web.params import Before, Kind, Limit

router = APIRouter(prefix="/v1/audit", tags=["audit"])


@router.get("")
def entries(
    here: Here, _: Viewer, before: Before = None, limit: Limit = 100, kind: Kind | None = None
) -> dict[str, Any]:
    """Entries, the newest first. `next` is what to pass as `before` for the following page."""
    with here.database.read() as connection:
        found, following = queries.audit_page(connection, before, limit, kind)
    return {"entries": found, "next": following}


@router.get("/head")
def head(here: Here, _: Viewer) -> dict[str, Any]:
    """Size and root of the log: write them down, and later nobody can take anything back unnoticed."""
    with here.database.read() as connection:
        size, root = queries.head(connection)
    return {"size": size, "root": root.hex(), "against": f"{size}:{root.hex()}"}
