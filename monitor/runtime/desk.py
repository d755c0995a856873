"""The desk: the one way by which people change anything, and the keeper of people's deadlines.

Every action is one transaction: load, ask the machine, write the changes with their audit entries, raise `desk_seq`
so that a decision made meanwhile is made again, and leave the marks that the pump is to place.
"""

from __future__ import annotations

from monitor.core.incidents.deadlines import next_due, sweep
from monitor.core.rules.model import Book
from monitor.runtime.desk_base import Clock, DeskBase
from monitor.runtime.desk_decisions import Decisions
from monitor.runtime.desk_errors import Conflict, DeskError, Forbidden, NotFound, Refused
from monitor.runtime.desk_gates import Gates
from monitor.runtime.desk_incidents import IncidentActions
from monitor.runtime.desk_links import Links
from monitor.runtime.desk_receivers import Receivers
from monitor.runtime.desk_references import References
from monitor.runtime.desk_steering import Steering
from monitor.store.ledger import bump_desk, load_view

__all__ = ["Clock", "Conflict", "Desk", "DeskBase", "DeskError", "Forbidden", "NotFound", "Refused"]


class Desk(IncidentActions, Links, Receivers, References, Steering, Gates, Decisions):
    """People's actions and deadlines. Safe to share between threads: it keeps nothing between calls."""

    def deadlines(self, now: float) -> float | None:
        """Do what is due by daemon time `now` and answer when to come again (None: when something happens).

        Acknowledgements that ran out, quiet periods, watches that ended, calls after their wait, repeats, what a
        silence held back, references that were accepted for a time, and decisions that nobody made in time. Writes
        one transaction a partition, none where nothing is due. Raises LedgerUnavailable.
        """
        book = self.book()
        dues = [self._deadlines(partition, book, now) for partition in range(self.partitions)]
        dues += [self.expire_references(now), self.decisions_expire(now)]
        return min((due for due in dues if due is not None), default=None)

    def _deadlines(self, partition: int, book: Book, now: float) -> float | None:
        def owns(model: str) -> bool:
            return self.partition_of(model) == partition

        with self.database.read() as connection:
            view = load_view(connection, partition, now, owns)
        if sweep(view, book, self.policy, now):
            with self.database.write(now) as tx:
                view = load_view(tx.connection, partition, now, owns)
                changes = sweep(view, book, self.policy, now)
                if changes:
                    tx.apply(changes, partition)
                    bump_desk(tx, partition)
            view.absorb(changes)
            self.told()
        return next_due(view, book, self.policy, now)
