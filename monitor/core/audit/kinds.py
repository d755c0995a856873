"""The closed list of what an audit entry can be. A kind that is not here cannot be written."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

_WATCHING = {
    "engine_started": "an engine took a partition and watches from here on",
    "engine_stopped": "an engine gave its partition back on purpose",
    "heartbeat": "the daemon was alive and had finished its work",
    "coverage": "what was watched during a period",
    "gap": "nobody watched during a period",
    "clock_jump": "the wall clock moved against the daemon's own clock",
    "clock_accepted": "a person took the wall clock for right",
    "book_loaded": "a rule book came into force",
    "book_refused": "a rule book was refused; the old one stays in force",
    "model_seen": "a model answered for the first time",
    "model_version": "a model changed its version",
    "model_retired": "a model is no longer watched",
    "model_returned": "a retired model sent events again and is watched again",
    "column_kind": "the kind of a column was inferred or set",
    "quarantined": "events that could not be observed were set aside",
    "requeued": "quarantined events were given back to be observed",
    "detector_disabled": "a detector that failed was taken out",
    "detector_restarted": "a detector lost its memory and starts afresh",
    "sample_summary": "what was kept for people during a period",
    "rule_trip": "a rule saw what it watches for",
    "label_received": "truth came for answers given earlier",
}
_INCIDENTS = {
    "incident_opened": "a person is needed",
    "incident_again": "an incident came back before it was closed",
    "incident_worsened": "an incident became more severe",
    "incident_cleared": "the condition of an incident went away",
    "incident_recovered": "an incident went away before anyone looked",
    "incident_closed": "the machine or a person closed an incident",
    "incident_orphaned": "the rule or model of an incident is gone",
    "acknowledged": "a person has it",
    "released": "a person gave an acknowledgement back",
    "expired": "an acknowledgement ran out",
    "escalated": "nobody acted, so the next people were told",
    "reopened": "a person opened a closed incident again",
    "note": "a person wrote something down",
    "assigned": "an incident got another owner",
    "linked": "an incident was linked to something outside",
    "verdict": "a person said what an incident was",
    "rearmed": "detectors watch again after an incident",
    "frozen": "detectors stopped learning on purpose",
    "unfrozen": "detectors learn again",
    "reference_accepted": "a person took the present for the new normal",
    "reference_rolled_back": "a person put an earlier normal back",
    "reference_learned": "detectors have learned what is normal, and watch by it",
    "reference_rolled": "a reference that rolls was refitted to its last days",
    "reference_expired": "what was normal for a time ran out",
    "alert_viewed": "a person looked at an incident",
}
_TELLING = {
    "notice_delivered": "a receiver took a message",
    "notice_dead": "a message was given up",
    "notice_unknown": "nobody knows whether a message arrived",
    "no_notice": "why nobody was told",
    "silence_added": "messages are held back for a time",
    "silence_expired": "messages are no longer held back",
    "receiver_tested": "a person sent a test message",
}
_STEERING = {
    "gate_set": "a service may do more or less than before",
    "gate_ack": "a service said that it follows a gate",
    "gate_release_asked": "a person asked that a halt end, and it takes another one",
    "break_glass": "a person ended a halt without what the pack asks for",
    "drill": "the way from gate to service was tried out",
    "decision_asked": "a service asked a person about an answer",
    "decided": "a person decided about an answer, or nobody did in time",
    "override": "a person set an answer aside",
    "contest": "a person concerned objected to an answer",
    "seeded_issued": "a known case was given to a person",
    "seeded_result": "what a person made of a known case",
    "audit_sample": "an answer nobody was called for was looked at",
    "clock_started": "a legal deadline began",
    "notification_sent": "an authority or provider was informed",
    "freeze": "evidence was protected from deletion",
    "overseer_changed": "an overseer's duties or training changed",
}
_KEEPING = {
    "login": "a person came in",
    "login_refused": "somebody was turned away",
    "token_created": "a key to the daemon was made",
    "token_revoked": "a key to the daemon was taken back",
    "user_added": "an overseer was added",
    "user_disabled": "an overseer was disabled",
    "access": "a person read protected data",
    "settings_changed": "the daemon runs with other settings",
    "schema_upgraded": "the tables of the ledger changed their form",
    "restored": "the ledger came back from a backup",
    "retention": "old records were deleted by policy",
    "retention_delete": "bodies of old audit entries were deleted by policy",
    "erasure": "personal data was erased",
    "export": "records were given out",
    "checkpoint": "the head of this log was signed",
    "anchor": "the head of this log was left with somebody else",
}
KINDS: Final[Mapping[str, str]] = MappingProxyType({**_WATCHING, **_INCIDENTS, **_TELLING, **_STEERING, **_KEEPING})


def require_kind(kind: str) -> str:
    """The same text, or ValueError if it is no kind of entry."""
    if kind not in KINDS:
        raise ValueError(f"{kind!r} is no kind of audit entry; add it to monitor/core/audit/kinds.py first")
    return kind
