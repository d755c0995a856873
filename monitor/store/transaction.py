"""One writing transaction: rows and audit entries that become true together or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Connection, bindparam, insert, or_, select, update

from monitor.core.audit.entry import encode
from monitor.core.audit.merkle import Frontier, leaf_hash
from monitor.core.changes import Changes
from monitor.store import rows
from monitor.store.tables import (
    audit,
    audit_frontier,
    evidence,
    gates,
    incidents,
    notices,
    rule_states,
    wanted_marks,
)
from monitor.store.upsert import insert_new, upsert

_FRONTIER: Final = select(audit_frontier.c.size, audit_frontier.c.peaks).where(audit_frontier.c.id == 1)
_GROW: Final = (
    update(audit_frontier)
    .where(audit_frontier.c.id == 1, audit_frontier.c.size == bindparam("old_size"))
    .values(size=bindparam("new_size"), peaks=bindparam("new_peaks"))
)
_DROP_STATE: Final = rule_states.delete().where(
    rule_states.c.rule == bindparam("r"),
    rule_states.c.model == bindparam("m"),
    rule_states.c.segment == bindparam("s"),
    rule_states.c.historical == bindparam("h"),
)
_CANCEL: Final = (
    update(notices)
    .where(notices.c.key == bindparam("k"), or_(notices.c.state == "pending", notices.c.state == "retry"))
    .values(state="cancelled", finished_at=bindparam("t"), problem="no longer owed")
)


class Transaction:
    """Handed out by `Database.write`. `at` is daemon time, the same for everything in it."""

    def __init__(self, connection: Connection, at: float) -> None:
        self.connection = connection
        self.at = at
        self._frontier: Frontier | None = None
        self._stored_size = 0
        self._entries: list[dict[str, Any]] = []

    def audit(self, kind: str, actor: str, body: Mapping[str, Any]) -> int:
        """Append an entry and return its sequence number. Raises ValueError if the kind is not on the list."""
        frontier = self._load_frontier()
        seq, actor = frontier.size, rows.clean(actor, 100)
        data = encode(seq, self.at, kind, actor, body)
        leaf = leaf_hash(data)
        self._entries.append({"seq": seq, "at": self.at, "kind": kind, "actor": actor, "body": data, "leaf": leaf})
        self._frontier = frontier.append(leaf)
        return seq

    @property
    def head(self) -> tuple[int, bytes]:
        """Size and root of the audit log, entries of this transaction included."""
        frontier = self._load_frontier()
        return frontier.size, frontier.root

    def apply(self, changes: Changes, partition: int = 0) -> None:
        """Write all of `changes`. Incidents, states and gates replace what was there; a known notice is kept."""
        write = self.connection
        upsert(write, incidents, [rows.incident_row(x) for x in changes.incidents.values()])
        states = [rows.state_row(x) for x in changes.rule_states.values() if x is not None]
        upsert(write, rule_states, states)
        gone = [rows.state_key(key) for key, state in changes.rule_states.items() if state is None]
        if gone:
            write.execute(_DROP_STATE, gone)
        if changes.evidence:
            write.execute(insert(evidence), [rows.evidence_row(i, x) for i, x in changes.evidence])
        insert_new(write, notices, [rows.notice_row(x) for x in changes.notices])
        if changes.cancelled:
            write.execute(_CANCEL, [{"k": key, "t": self.at} for key in changes.cancelled])
        upsert(write, gates, [rows.gate_row(x) for x in changes.gates.values()])
        if changes.wanted:
            write.execute(
                insert(wanted_marks),
                [
                    {"partition": partition, "mark": rows.to_json(mark), "created_at": self.at}
                    for mark in changes.wanted
                ],
            )
        for entry in changes.entries:
            self.audit(entry.kind, entry.actor, entry.body)

    def seal(self) -> None:
        """Write the audit entries and the frontier; `Database.write` calls it just before the commit."""
        if not self._entries or self._frontier is None:
            return
        self.connection.execute(insert(audit), self._entries)
        grown = self.connection.execute(
            _GROW,
            {
                "old_size": self._stored_size,
                "new_size": self._frontier.size,
                "new_peaks": self._frontier.pack(),
            },
        )
        if grown.rowcount != 1:
            raise RuntimeError(f"the audit log moved on behind entry {self._stored_size}; nothing was written")
        self._entries.clear()

    def _load_frontier(self) -> Frontier:
        if self._frontier is None:
            size, peaks = self.connection.execute(_FRONTIER).one()
            self._frontier = Frontier.unpack(size, peaks)
            self._stored_size = size
        return self._frontier
