"""The gates as a file, for sidecars and batch jobs that have no network: replaced whole, never half written."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any, Final

import structlog

from monitor.store import queries
from monitor.store.database import Connection
from monitor.store.facts import GATE_EPOCH, get_fact
from monitor.web.gate_answers import LEASE

log = structlog.get_logger("gates")

AGAIN: Final = LEASE / 4  # seconds after which it is written again, so that its age says whether it holds


class GatesFile:
    """`keep` writes the file when gates have changed, and every now and then."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._written: Any = None
        self._at = float("-inf")
        self._failing = False

    def keep(self, connection: Connection, mark: Any) -> None:
        """Write it if it is due. What goes wrong is logged once; whoever reads it sees that it is old."""
        if mark == self._written and monotonic() - self._at < AGAIN:
            return
        gates = {"epoch": get_fact(connection, GATE_EPOCH), "lease_seconds": LEASE, "gates": queries.gates(connection)}
        body = {"written_at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), **gates}
        try:
            self._replace(json.dumps(body, indent=1).encode() + b"\n")
        except OSError as problem:
            if not self._failing:
                log.error(f"The gates cannot be written to {self._path}: {problem.strerror}.", action="gates_file")
            self._failing = True
        else:
            self._failing, self._written = False, mark
        self._at = monotonic()

    def _replace(self, data: bytes) -> None:
        fresh = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)
