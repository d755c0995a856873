"""What is answered about a gate, whatever the door: its state, on what terms, and how long a service may rely on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

from monitor.core.oversight.scopes import Part
from monitor.core.oversight.terms import safe_states, terms_for
from monitor.core.rules.model import Book
from monitor.store import queries
from monitor.store.database import Connection

LEASE: Final = 60  # seconds a service may act on a gate without hearing of it again
_ALL: Final[Mapping[Part, str]] = {}


def gate_answer(connection: Connection, book: Book, model: str, named: Mapping[Part, str] = _ALL) -> dict[str, Any]:
    """The gate of a model, or what holds for a version, segment and operation of it, as `GET /v1/gates/…` answers."""
    terms = asdict(terms_for(book, model))
    seconds = {name: terms.pop(name) for name in ("hold", "deadline")}
    return {
        **queries.gate(connection, model, named),
        "lease_seconds": LEASE,
        "terms": {**terms, **{f"{name}_seconds": value for name, value in seconds.items()}},
        "safe_states": safe_states(book, model),
    }


def named(version: str | None, segment: str | None, operation: str | None) -> dict[Part, str]:
    """The parts of a model that a request names."""
    given: dict[Part, str | None] = {"version": version, "segment": segment, "operation": operation}
    return {part: value for part, value in given.items() if value}
