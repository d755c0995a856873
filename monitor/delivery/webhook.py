"""A server of your own: Alertmanager's webhook body (version 4), signed.

The signature is the HMAC-SHA256, in hexadecimal, of the timestamp, a dot and the body's bytes. Whoever checks it also
refuses timestamps that are minutes old, so that nobody can send an old message again.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from monitor.core.notices.alert import RECOVERED, Alert
from monitor.core.times import rfc3339
from monitor.delivery.address import Address, WebAddress, web_address
from monitor.delivery.post import send
from monitor.delivery.protocol import Outgoing, Result

TIMESTAMP: Final = "Overloop-Timestamp"
SIGNATURE: Final = "Overloop-Signature"
_OPEN_END: Final = "0001-01-01T00:00:00Z"  # as Alertmanager writes the end of what stands


class WebhookSender:
    def __init__(self, name: str, address: Address) -> None:
        """`name` is the receiver's. Without a key nothing is signed. Raises ValueError."""
        self._to: WebAddress = web_address(address.url)
        self._name, self._key, self._public_only = name, address.key.encode(), address.public_only

    @property
    def label(self) -> str:
        return f"webhook at {self._to.label}"

    def send(self, message: Outgoing, deadline: float) -> Result:
        data = json.dumps(body(message, self._name)).encode()
        headers = {"Idempotency-Key": message.key} if message.key else {}
        if self._key:
            stamp = str(int(message.at))
            headers |= {TIMESTAMP: stamp, SIGNATURE: "v1=" + signature(self._key, stamp, data)}
        return send(self._to, data, headers, deadline, self._public_only)[0]


def signature(key: bytes, timestamp: str, data: bytes) -> str:
    return hmac.new(key, timestamp.encode() + b"." + data, hashlib.sha256).hexdigest()


def body(message: Outgoing, receiver: str) -> dict[str, Any]:
    """What Alertmanager would send, and under `overloop` what it has no words for."""
    over = bool(message.alerts) and all(alert.state in RECOVERED for alert in message.alerts)
    labels = [alert.labels for alert in message.alerts]
    common = _common(labels)
    return {
        "version": "4",
        "groupKey": message.incident or message.reason,
        "truncatedAlerts": 0,
        "status": "resolved" if over else "firing",
        "receiver": receiver,
        "groupLabels": {},
        "commonLabels": common,
        "commonAnnotations": _common([alert.annotations for alert in message.alerts]),
        "externalURL": message.alerts[0].url.partition("/incidents/")[0] if message.alerts else "",
        "alerts": [_alert(alert) for alert in message.alerts],
        "overloop": {
            "notice": message.key,
            "reason": message.reason,
            "incident": message.incident,
            "severity": message.severity,
            "title": message.title,
            "text": message.body,
        },
    }


def _alert(alert: Alert) -> dict[str, Any]:
    return {
        "status": "resolved" if alert.state in RECOVERED else "firing",
        "labels": dict(alert.labels),
        "annotations": dict(alert.annotations),
        "startsAt": rfc3339(alert.starts_at),
        "endsAt": _OPEN_END if alert.ends_at is None else rfc3339(alert.ends_at),
        "generatorURL": alert.url,
        "fingerprint": alert.fingerprint,
        "overloopState": alert.state,
    }


def _common(texts: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """What all of them say alike."""
    if not texts:
        return {}
    return {name: text for name, text in texts[0].items() if all(other.get(name) == text for other in texts)}
