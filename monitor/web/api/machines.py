"""What other programs ask: health, metrics, accounting, reload."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from fastapi import APIRouter, Request, Response

from monitor.core.times import rfc3339
from monitor.runtime.books import BookRefused
from monitor.runtime.pace import boottime
from monitor.store import ledger
from monitor.web.front import Admin, Anybody, Front, Here, Viewer
from monitor.web.problems import Problem

router = APIRouter(tags=["machines"])
PATIENCE = 20.0  # seconds `/-/engine` waits for the next step: ticks come every 15
LOOK = 0.1  # seconds between its looks
LOSSES = "Something recorded or learned before was lost; GET /-/engine and the log say what."


@router.get("/-/healthy")
async def healthy() -> dict[str, str]:
    """The front answers. Takes no token."""
    return {"status": "healthy"}


@router.get("/-/ready")
async def ready(here: Here) -> dict[str, str]:
    """Events are accepted and the engine has restored its memory. Takes no token."""
    why = here.intake.trouble()
    said = here.engine()
    if why is None and not said.get("ready"):
        waits = str(said.get("waiting")).split(", ")
        wait = next((what for what in ("ledger", "spool") if what in waits), None)
        why = "the engine is still starting" if wait is None else f"the engine waits for the {wait}"
    if why is not None:
        raise Problem(503, f"Not ready: {why.rstrip('.')}.", {"Retry-After": "1"})
    return {"status": "ready", **({"remark": LOSSES} if said.get("losses") else {})}


@router.get("/-/engine")
async def engine(here: Here, _: Anybody) -> dict[str, Any]:
    """Answers after a turn of the engine that began after the question: proof that it works, not only that it lives.

    What was posted before the question has been observed by then, or at least as much of it as one step takes.
    """
    asked = boottime()
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        said = here.engine()
        if said.get("began", 0.0) > asked and said.get("ready"):
            times: dict[str, Any] = {name: rfc3339(said[name]) for name in ("at", "rounded_at") if name in said}
            return {**said, **times}
        await asyncio.sleep(LOOK)
    sentence = f"The engine has not completed a turn within {PATIENCE:.0f} s; see the daemon's log."
    raise Problem(503, sentence, {"Retry-After": "5"})


@router.post("/-/reload")
def reload(here: Here, who: Admin) -> dict[str, Any]:
    """Load all rules, then swap; a mistake anywhere keeps the old ones."""
    try:
        book = here.shelf.reload(here.database, here.now(), who.user)
    except BookRefused as refused:
        raise Problem(
            422, "The rules were not loaded and the old ones stay in force.", problems=refused.lines
        ) from refused
    here.changed()
    return {
        "book": book.digest,
        "packs": [pack.name for pack in book.packs],
        "rules": sum(len(pack.rules) for pack in book.packs),
    }


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
def metrics(request: Request, here: Here, _: Viewer) -> Response:
    """Prometheus's text format."""
    body, kind = here.metrics(request.headers.get("accept", ""))
    return Response(body, media_type=kind)


@router.get("/v1/accounting")
def accounting(here: Here, _: Viewer) -> dict[str, Any]:
    """Where each event is: received = accepted + rejected + duplicates; accepted = observed + waiting + quarantined.

    The `canary` events that the daemon sent to itself are in none of these, but for one that is on its way and waits.
    Of those in quarantine, `lost` can no longer be read: a damaged file of the spool held them.
    """
    return account(here)


def account(here: Front) -> dict[str, Any]:
    """The totals of all partitions. Raises LedgerUnavailable, SpoolError."""
    parts = [_partition(here, partition) for partition in range(here.partitions)]
    since = [reach for p in range(here.partitions) if (reach := here.spool.dedup_since(p)) is not None]
    sums = {name: sum(part[name] for part in parts) for name in parts[0]}
    return {**sums, "dedup_since": rfc3339(max(since)) if since else None}


def _partition(here: Front, partition: int) -> dict[str, int]:
    with here.database.read() as connection:
        done = ledger.totals(connection, partition)
    kept = here.spool.totals(partition)  # read second: never behind what was observed
    canary = done.get("canary", 0)  # the daemon's own: not among people's events
    observed, quarantined, accepted = (
        done.get("observed", 0) - canary,
        done.get("quarantined", 0),
        kept.accepted - canary,
    )
    return {
        "received": kept.received - canary,
        "accepted": accepted,
        "rejected": kept.rejected,
        "duplicates": kept.duplicates,
        "observed": observed,
        "waiting": accepted - observed - quarantined,
        "quarantined": quarantined,
        "canary": canary,
        "lost": done.get("lost", 0),
        "refused": kept.refused + here.intake.refused_since_commit(partition),
        "truth_received": kept.truth_received,
        "truth_accepted": kept.truth_accepted,
    }
