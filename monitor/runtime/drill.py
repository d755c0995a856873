"""A rehearsal of the stop button, end to end: a halt of an operation that no service has, and who followed it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from monitor.core.oversight.report.facts import quantile
from monitor.core.oversight.scopes import DRILL, Scope
from monitor.runtime.desk_errors import Refused
from monitor.runtime.desk_roles import require
from monitor.store import queries
from monitor.store.gate_clients import caught_up
from monitor.store.gates import load_gate

if TYPE_CHECKING:
    from monitor.runtime.desk_gates import Gates

LOOK: Final = 0.05  # seconds between looks at who has followed
LONGEST: Final = 60.0  # seconds a rehearsal may take; a halt that is older was left by one that was cut off
NAMED: Final = 100  # clients that are named in the evidence


class Drill:
    """One rehearsal. `pause` waits for so many seconds; tests give their own."""

    def __init__(
        self,
        desk: Gates,
        model: str,
        actor: str,
        role: str,
        seconds: float,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.desk, self.model, self.actor, self.role = desk, model, actor, role
        self.seconds, self.pause = min(seconds, LONGEST), pause
        self.scope = Scope(model, "operation", DRILL)

    def run(self) -> dict[str, Any]:
        """Halt, wait for everybody who was live, release, and write the evidence into the audit log; answers it.

        Raises Refused while another rehearsal of the model is under way, Forbidden, LedgerUnavailable.
        """
        require("rehearse a halt", self.actor, self.role)
        self._alone()
        with self.desk.database.read() as connection:
            known = queries.gate_clients(connection, self.model, self.desk.clock.now())
        live = [one["client"] for one in known if one["live"]]
        since = self.desk.clock.now()  # not that of the gate in force: the model may have been halted before
        halted = self._set("halt", "A rehearsal of the stop button began.")
        until = self.desk.clock.now() + self.seconds
        followed = self._followed(halted)
        for _ in range(math.ceil(self.seconds / LOOK)):
            if followed.keys() >= set(live) or self.desk.clock.now() >= until:
                break
            self.pause(LOOK)
            followed = self._followed(halted)
        self._set("auto", "A rehearsal of the stop button ended.")
        took = {client: followed[client] - since for client in live if client in followed}
        return self._evidence(halted["generation"], live, took)

    def _alone(self) -> None:
        now = self.desk.clock.now()
        with self.desk.database.read() as connection:
            left = load_gate(connection, self.scope.text)
        if left is not None and left.state == "halt":
            if now - left.since < LONGEST:
                raise Refused(f"A halt of {self.model} is being rehearsed by {left.by} right now: wait for its end.")
            self._set("auto", "A rehearsal of the stop button was cut off.")

    def _set(self, state: str, reason: str) -> dict[str, Any]:
        return self.desk.gate_set(self.scope, state, reason, self.actor, self.role)

    def _followed(self, halted: dict[str, Any]) -> dict[str, float]:
        with self.desk.database.read() as connection:
            return caught_up(connection, self.model, halted["epoch"] or "", halted["generation"])

    def _evidence(self, generation: int, live: list[str], took: dict[str, float]) -> dict[str, Any]:
        seconds = list(took.values())
        silent = sorted(set(live) - set(took))
        body = {
            "model": self.model,
            "generation": generation,
            "passed": bool(live) and not silent,
            "clients": len(live),
            "acknowledged": len(took),
            "p50_seconds": _rounded(quantile(seconds, 0.5)),
            "p95_seconds": _rounded(quantile(seconds, 0.95)),
            "max_seconds": _rounded(max(seconds, default=None)),
            "silent": silent[:NAMED],
            "waited_seconds": self.seconds,
        }
        with self.desk.database.write(self.desk.clock.now()) as tx:
            tx.audit("drill", self.actor, body)
            return {**body, "at": queries.shown_time(tx.at), "by": self.actor}


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(max(seconds, 0.0), 3)
