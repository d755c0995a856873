"""Answers about which a service asks a person: asked, decided, or settled by their deadline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

from monitor.core.oversight.terms import terms_for
from monitor.runtime.desk_base import DeskBase, reasoned
from monitor.runtime.desk_errors import Refused
from monitor.runtime.desk_roles import require
from monitor.store import decisions as kept
from monitor.store.gates import gate as shown_gate

WAITING: Final = 1_000  # decisions of a model and mode that may wait at a time: nobody waits for those that are out
POST: Final = 7 * 86400.0  # seconds within which somebody may look at an answer that is out
VERDICTS: Final = {"approve": "approved", "change": "changed", "reject": "rejected"}


@dataclass(frozen=True, slots=True)
class Asking:
    """What a service asks a person. `deadline` in seconds; None: as the pack says."""

    model: str
    decision_id: str
    inputs: Any
    proposed: Any
    fallback: Any
    mode: str = "pre"
    deadline: float | None = None
    version: str | None = None


class Decisions(DeskBase):
    """All raise NotFound, Forbidden, Refused, or LedgerUnavailable; then nothing was changed."""

    def decision_ask(self, asking: Asking, actor: str) -> dict[str, Any]:
        """Put a question to people. The same answer asked about again is the same decision."""
        now = self.clock.now()
        terms = terms_for(self.book(), asking.model)
        wait = POST if asking.mode == "post" else asking.deadline or terms.deadline
        with self.database.write(now) as tx:
            if kept.waiting_count(tx.connection, asking.model, asking.mode) >= WAITING:
                raise Refused(f"{WAITING:,} answers of {asking.model} wait for a person already; do what is safe.")
            question = kept.Question(
                str(uuid4()),
                asking.model,
                asking.decision_id,
                asking.mode,
                asking.inputs,
                asking.proposed,
                asking.fallback,
                actor,
                now + wait,
                shown_gate(tx.connection, asking.model)["generation"],
                asking.version,
            )
            shown = kept.ask(tx, question)
        if shown is None:
            raise Refused(
                f"A person was asked about {asking.decision_id} of {asking.model} already, with other inputs or "
                "another answer: each answer takes a decision_id of its own."
            )
        self.told()
        return shown

    def decide(self, id_: str, verdict: str, reason: str, actor: str, role: str, answer: Any = None) -> dict[str, Any]:
        """A person's word: `approve` what was proposed, `change` it to `answer`, or `reject` it for the fallback."""
        require("decide about an answer", actor, role)
        if verdict not in VERDICTS:
            raise Refused(f"A decision is one of {', '.join(VERDICTS)}, not {verdict!r}.")
        if (verdict == "change") != (answer is not None):
            raise Refused("`change` needs the answer that holds instead, and only `change` takes one.")
        reasoned("A decision", reason)
        with self._sitting() as sitting:
            known = kept.decision(sitting.tx.connection, id_, sitting.at)
            if known["state"] != "waiting":
                raise Refused(
                    f"This is {known['state']} already, by {known['decided_by']} at {known['decided_at']}: the "
                    "service has gone on. Set the answer aside instead: overloop override add."
                )
            holds = {"approve": known["proposed"], "change": answer, "reject": known["fallback"]}[verdict]
            return kept.settle(sitting.tx, id_, VERDICTS[verdict], holds, actor, reason)

    def decisions_expire(self, now: float) -> float | None:
        """Settle what nobody decided in time; answers when the next one is due."""
        with self.database.read() as connection:
            late, due = kept.overdue(connection, now), kept.next_deadline(connection)
        if not late:
            return due
        with self.database.write(now) as tx:
            for id_ in kept.overdue(tx.connection, now):
                fallback = kept.decision(tx.connection, id_, now)["fallback"]
                kept.settle(tx, id_, "expired", fallback, "machine", kept.NOBODY)
            return kept.next_deadline(tx.connection)
