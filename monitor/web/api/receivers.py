"""Receivers: a message that says it is a test, by the way that every other takes."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from monitor.core.times import rfc3339
from monitor.store import outbox
from monitor.store.receivers import failing_receivers
from monitor.web.front import Admin, Here, Operator, Viewer
from monitor.web.params import Id
from monitor.web.problems import Problem

router = APIRouter(prefix="/v1/receivers", tags=["oversight"])


@router.get("")
def receivers(here: Here, _: Viewer) -> dict[str, Any]:
    """Who can be told, without their addresses, and which of them take no messages for now."""
    with here.database.read() as connection:
        failing = failing_receivers(connection)
    return {
        "receivers": [
            {
                "name": receiver.name,
                "type": receiver.kind,
                "failing_since": rfc3339(failing[receiver.name]) if receiver.name in failing else None,
            }
            for receiver in here.desk.policy.receivers
        ]
    }


@router.get("/{name}/tests/{id_}")
def fate(here: Here, _: Viewer, name: Id, id_: Id) -> dict[str, Any]:
    """What became of a test: `state` is that of its message, `problem` says why it was not taken."""
    with here.database.read() as connection:
        found = outbox.fate(connection, id_, name)
    if found is None:
        raise Problem(404, f"There is no test {id_!r} of a receiver {name!r}.")
    return {"receiver": name, "test": id_, **found}


@router.post("/{name}/test", status_code=202)
def test_receiver(here: Here, who: Operator, name: Id) -> dict[str, Any]:
    """Owe a receiver a message that says it is a test. `test` is what to ask for its fate by."""
    made = here.desk.receiver_test(name, who.user, who.role)
    return {"receiver": name, "test": made["id"], "state": "pending", "attempts": 0, "problem": None}


@router.delete("/{name}/links")
def revoke_links(here: Here, who: Admin, name: Id) -> dict[str, Any]:
    """Take back every acknowledge link that was sent to a receiver so far."""
    here.desk.revoke_links(name, who.user, who.role)
    return {"revoked": name}
