"""Who may do what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from monitor.runtime.desk_errors import Forbidden

Role = Literal["viewer", "operator", "supervisor", "admin"]
Action = Literal[
    "acknowledge",
    "release",
    "note",
    "assign",
    "close",
    "close a latched incident",
    "reopen",
    "give a verdict",
    "add a silence",
    "expire a silence",
    "override",
    "set a gate",
    "rehearse a halt",
    "decide about an answer",
    "accept a new normal",
    "re-arm detectors",
    "set the kind of a column",
    "retire a model",
    "test a receiver",
    "take links back",
]
_ORDER: Final = ("viewer", "operator", "supervisor", "admin")
NEEDED: Final[Mapping[Action, Role]] = {
    "acknowledge": "operator",
    "release": "operator",
    "note": "operator",
    "assign": "operator",
    "close": "operator",
    "close a latched incident": "supervisor",
    "reopen": "operator",
    "give a verdict": "operator",
    "add a silence": "operator",
    "expire a silence": "operator",
    "override": "supervisor",
    "set a gate": "supervisor",
    "rehearse a halt": "supervisor",
    "decide about an answer": "supervisor",
    "accept a new normal": "supervisor",
    "re-arm detectors": "supervisor",
    "set the kind of a column": "supervisor",
    "retire a model": "admin",
    "test a receiver": "operator",
    "take links back": "admin",
}


def require(action: Action, actor: str, role: str) -> None:
    """Raises Forbidden unless `role` may do `action`. Roles of machines (`ingest`) may do nothing here."""
    needed = NEEDED[action]
    if role not in _ORDER or _ORDER.index(role) < _ORDER.index(needed):
        raise Forbidden(f"{actor} has the role {role} and may not {action}; that takes the role {needed}.")
