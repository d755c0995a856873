"""An incident as programs know it: labels, annotations, times. The shape is Alertmanager's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from monitor.core.incidents.model import Incident, State
from monitor.core.notices.clean import clean

RECOVERED: Final = frozenset({"recovered", "closed"})
_FNV_OFFSET: Final = 0xCBF29CE484222325
_FNV_PRIME: Final = 0x100000001B3
_64_BITS: Final = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Alert:
    """`labels` are its identity. Times are seconds since 1970 UTC; `ends_at` is None while it stands."""

    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    starts_at: float
    ends_at: float | None
    state: State
    url: str

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits: FNV-1a over the sorted labels, as Prometheus computes it."""
        digest = _FNV_OFFSET
        for name, value in sorted(self.labels.items()):
            for byte in name.encode() + b"\xff" + value.encode() + b"\xff":
                digest = ((digest ^ byte) * _FNV_PRIME) & _64_BITS
        return f"{digest:016x}"


def alert_of(incident: Incident, url: str, labels: Mapping[str, str] | None = None) -> Alert:
    """`labels` are the rule's own; ours win where the names are the same. `url` is the incident's page, or empty."""
    ours = {
        "alertname": incident.rule,
        "pack": incident.pack,
        "model": incident.model,
        "severity": incident.severity,
        "incident": incident.id,
        "segment": incident.segment,
    }
    said = {
        "summary": incident.summary,
        "description": incident.meaning,
        "action": incident.action,
        "runbook_url": incident.runbook_url or "",
        "owner": incident.owner or "",
    }
    ends = (incident.closed_at or incident.changed_at) if incident.state in RECOVERED else None
    known = _kept({**(labels or {}), **ours}, 200)
    return Alert(known, _kept(said, 1000), incident.opened_at, ends, incident.state, url)


def _kept(texts: Mapping[str, str], limit: int) -> dict[str, str]:
    """Without control characters, and without what is empty: to Alertmanager that is the same as absent."""
    cleaned = {name: clean(text, limit, lines=limit > 200) for name, text in texts.items()}
    return {name: text for name, text in cleaned.items() if text}
