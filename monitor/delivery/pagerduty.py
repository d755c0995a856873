"""PagerDuty's Events API v2: one incident of ours is one of theirs, by its id.

https://developer.pagerduty.com/docs/events-api-v2/trigger-events/
"""

from __future__ import annotations

import json
import time
from typing import Any, Final

from monitor.core.times import rfc3339
from monitor.delivery.address import Address, WebAddress, web_address
from monitor.delivery.post import send
from monitor.delivery.protocol import Outgoing, Result

PATH: Final = "/v2/enqueue"
_SEVERITIES: Final = {"critical": "critical", "high": "error", "medium": "warning", "low": "info"}
_ACTIONS: Final = {"acknowledged": "acknowledge", "recovered": "resolve", "closed": "resolve"}  # else trigger
_SUMMARY: Final = 1024  # characters, their limit
_SOURCE: Final = "overloop"


class PagerDutySender:
    def __init__(self, address: Address) -> None:
        """`address.url` is the server's, `address.key` the routing key. Raises ValueError."""
        self._to: WebAddress = web_address(address.url, PATH)
        self._key, self._public_only = address.key, address.public_only

    @property
    def label(self) -> str:
        return f"pagerduty at {self._to.label}"

    def send(self, message: Outgoing, deadline: float) -> Result:
        if message.reason != "test":
            return self._post(event(message, self._key), deadline)
        ends = time.monotonic() + deadline
        result = self._post(event(message, self._key), deadline)
        if result.outcome != "delivered":
            return result
        over = {**event(message, self._key), "event_action": "resolve"}  # a test leaves nothing open there
        return self._post(over, ends - time.monotonic())

    def _post(self, body: dict[str, Any], seconds: float) -> Result:
        return send(self._to, json.dumps(body).encode(), {}, max(0.01, seconds), self._public_only)[0]


def event(message: Outgoing, routing_key: str) -> dict[str, Any]:
    """The event for a message, by the reason of its notice."""
    body = {
        "routing_key": routing_key,
        "event_action": _ACTIONS.get(message.reason, "trigger"),
        "dedup_key": message.incident or f"overloop-{message.reason}",
    }
    if body["event_action"] != "trigger":
        return body
    alert = message.alerts[0] if message.alerts else None
    labels = {} if alert is None else alert.labels
    about: dict[str, Any] = {
        "summary": _summary(message)[:_SUMMARY],
        "source": labels.get("model", _SOURCE),
        "severity": _SEVERITIES[message.severity],
        "component": labels.get("model"),
        "group": labels.get("pack"),
        "class": labels.get("alertname"),
        "custom_details": {"message": message.body, "reason": message.reason, **dict(labels)},
    }
    if alert is not None:
        about["timestamp"] = rfc3339(alert.starts_at)
    links = [] if alert is None else _links(alert.url, alert.annotations.get("runbook_url", ""))
    payload = {name: value for name, value in about.items() if value}
    return {**body, "payload": payload, "client": "Overloop", **({"links": links} if links else {})}


def _summary(message: Outgoing) -> str:
    said = message.alerts[0].annotations.get("summary") if message.alerts else None
    return f"{message.title}: {said}" if said else message.title


def _links(page: str, runbook: str) -> list[dict[str, str]]:
    named = (("Incident in Overloop", page), ("Runbook", runbook))
    return [{"href": url, "text": text} for text, url in named if url.startswith(("https://", "http://"))]
