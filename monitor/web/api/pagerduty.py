"""PagerDuty's webhooks (version 3): what was acknowledged there is acknowledged here.

https://developer.pagerduty.com/docs/webhooks-overview and https://developer.pagerduty.com/docs/verifying-webhook-signatures
"""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool

from monitor.core.notices.clean import clean
from monitor.core.times import parse_time
from monitor.web.front import Here
from monitor.web.params import Id
from monitor.web.problems import Problem

router = APIRouter(prefix="/hooks/pagerduty", include_in_schema=False)
SIGNATURE: Final = "X-PagerDuty-Signature"


@router.post("/{name}", status_code=202)
async def webhook(request: Request, here: Here, name: Id) -> dict[str, Any]:
    """Takes no token: the signature, made with the receiver's secret, is looked at before anything else."""
    body = await request.body()
    key = here.hooks.get(name)
    if key is None or not signed(body, key, request.headers.get(SIGNATURE, "")):
        raise Problem(401, "The webhook is not signed with the secret of a receiver that takes webhooks.")
    found = acknowledged(body)
    if found is None:
        return {"acknowledged": False}
    incident, who, at = found
    actor = f"pagerduty:{name} ({who})"[:100] if who else f"pagerduty:{name}"[:100]
    return {"acknowledged": await run_in_threadpool(here.desk.acknowledge_elsewhere, incident, actor, at)}


def signed(body: bytes, key: bytes, header: str) -> bool:
    """Whether one of the signatures (several while the secret is changed) is of this body."""
    wanted = "v1=" + hmac.new(key, body, hashlib.sha256).hexdigest()
    given = [one.strip() for one in header.split(",")[:10]]
    return any(one.isascii() and hmac.compare_digest(one, wanted) for one in given)


def acknowledged(body: bytes) -> tuple[str, str, float] | None:
    """Our incident's id, who acknowledged it there, and when; None if that is not what happened. Raises Problem."""
    try:
        event = json.loads(body)["event"]
        if event["event_type"] != "incident.acknowledged":
            return None
        incident, at = event["data"]["incident_key"], parse_time(event["occurred_at"])
        agent = event.get("agent") or {}
        who = clean(str(agent.get("summary") or ""), 60)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise Problem(400, "The body is no PagerDuty webhook of version 3.") from None
    return (incident, who, at) if isinstance(incident, str) and incident.isprintable() else None
