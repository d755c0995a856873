"""Alertmanager's API v2: alerts are pushed, and pushed again while they stand.

It forgets what it is not told again (its clients re-send, `docs/alerts_api.md` there), so besides the messages of the
outbox everything that stands is sent anew every `EVERY` seconds; what is over is sent with its end.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final

from monitor.core.notices.alert import Alert
from monitor.core.times import rfc3339
from monitor.delivery.address import Address, WebAddress, web_address
from monitor.delivery.post import send
from monitor.delivery.protocol import Outgoing, Result

PATH: Final = "/api/v2/alerts"
EVERY: Final = 60.0  # seconds, as Prometheus's --rules.alert.resend-delay
STANDS: Final = 4 * EVERY  # seconds after which Alertmanager itself calls an alert resolved that nobody sent again
_TEST: Final = 60.0  # seconds that a test stands there


class AlertmanagerSender:
    def __init__(self, address: Address) -> None:
        """`address.url` is the server's, with its prefix and login if it has some. Raises ValueError."""
        self._to: WebAddress = web_address(address.url, PATH)
        self._public_only = address.public_only

    @property
    def label(self) -> str:
        return f"alertmanager at {self._to.label}"

    def send(self, message: Outgoing, deadline: float) -> Result:
        about = () if message.reason == "test" else message.alerts  # a test is over before it began, and would not show
        told = [posted(alert, message.at) for alert in about] or [_plain(message)]
        return self._post(told, deadline)

    def refresh(self, alerts: Iterable[Alert], at: float, deadline: float) -> Result:
        """Say again what stands as of daemon time `at`."""
        return self._post([posted(alert, at) for alert in alerts], deadline)

    def _post(self, alerts: list[dict[str, Any]], deadline: float) -> Result:
        return send(self._to, json.dumps(alerts).encode(), {}, deadline, self._public_only)[0]


def posted(alert: Alert, at: float) -> dict[str, Any]:
    """An alert as `POST /api/v2/alerts` takes it."""
    ends = at + STANDS if alert.ends_at is None else alert.ends_at
    body = {
        "labels": dict(alert.labels),
        "annotations": dict(alert.annotations),
        "startsAt": rfc3339(alert.starts_at),
        "endsAt": rfc3339(max(ends, alert.starts_at)),
    }
    return body | ({"generatorURL": alert.url} if alert.url else {})


def _plain(message: Outgoing) -> dict[str, Any]:
    """A message about no incident, as an alert that is over soon by itself."""
    return {
        "labels": {"alertname": "OverloopTest", "severity": message.severity},
        "annotations": {"summary": message.title, "description": message.body},
        "startsAt": rfc3339(message.at),
        "endsAt": rfc3339(message.at + _TEST),
    }
