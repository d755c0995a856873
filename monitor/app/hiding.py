"""What no log of ours may hold: the addresses of receivers and of the heartbeat, whole and in parts."""

from __future__ import annotations

from collections.abc import Mapping

from monitor.delivery.redaction import telling_parts
from monitor.settings import Settings
from monitor.settings.secrets import every_address
from monitor.telemetry.redaction import Redactor


def redactor(settings: Settings, environ: Mapping[str, str]) -> Redactor:
    """One that knows them, for every process alike. One that cannot be had is told elsewhere."""
    found = Redactor()
    for secret in every_address(settings, environ):
        found.add(*telling_parts(secret.reveal()))
    return found
