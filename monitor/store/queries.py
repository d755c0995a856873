"""Everything that is read for people and machines, under one name. Each noun's module says more."""

from __future__ import annotations

from monitor.store.access import tokens, users
from monitor.store.books import get_book
from monitor.store.decisions import decision, decisions
from monitor.store.facts import get_fact
from monitor.store.gate_clients import clients as gate_clients
from monitor.store.gates import gate, gates, load_gate
from monitor.store.incidents import (
    incident,
    incident_counts,
    incidents,
    incidents_by_state,
    load_evidence,
    load_incident,
)
from monitor.store.models import model, models
from monitor.store.notes import notes
from monitor.store.overrides import override, overrides
from monitor.store.references import reference, reference_bodies, references
from monitor.store.rows import shown_time
from monitor.store.silences import silences
from monitor.store.trail import audit_bytes, audit_leaves, audit_page, deploys, drills, head, incident_trail

__all__ = [
    "audit_bytes",
    "audit_leaves",
    "audit_page",
    "decision",
    "decisions",
    "deploys",
    "drills",
    "gate",
    "gate_clients",
    "gates",
    "get_book",
    "get_fact",
    "head",
    "incident",
    "incident_counts",
    "incident_trail",
    "incidents",
    "incidents_by_state",
    "load_evidence",
    "load_gate",
    "load_incident",
    "model",
    "models",
    "notes",
    "override",
    "overrides",
    "reference",
    "reference_bodies",
    "references",
    "shown_time",
    "silences",
    "tokens",
    "users",
]
