"""What a notice is called, and which reasons call a person."""

from __future__ import annotations

from typing import Final, cast

from monitor.core.notices.model import Notice, Reason

# A person is needed.
PAGES: Final = frozenset({"opened", "again", "worsened", "expired", "reopened", "repeat", "escalated"})
# What became of it: of use only to somebody who was called.
NEWS: Final = frozenset({"acknowledged", "recovered", "closed"})

OWN_PACK: Final = "overloop"  # of incidents about the daemon itself
RECEIVER_FAILING: Final = "ReceiverFailing"


def receiver_subject(name: str) -> str:
    """What an incident about a receiver names where others name a model."""
    return f"receiver:{name}"


def notice_key(incident: str, reason: str, occurrence: int, repeat: int, target: str) -> str:
    return f"{incident}/{reason}/{occurrence}/{repeat}/{target}"


def recorded_notice(key: str) -> Notice:
    """The notice that a key names; its times are not in the key and are 0."""
    incident, reason, occurrence, repeat, target = key.split("/", 4)
    return Notice(key, incident, target, cast(Reason, reason), int(occurrence), int(repeat), 0.0, 0.0)
