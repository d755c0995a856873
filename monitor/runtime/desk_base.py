"""One action of a person is one transaction: what all parts of the desk share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from monitor.core.incidents.casework import Casework
from monitor.core.incidents.model import Incident
from monitor.core.notices.model import Policy
from monitor.core.rules.model import Book
from monitor.runtime.desk_errors import NotFound, Refused
from monitor.store.database import Database, Transaction
from monitor.store.errors import Unknown
from monitor.store.ledger import bump_desk, load_view
from monitor.store.models import model as known_model
from monitor.store.queries import incident, load_incident

REASON = 4000  # characters


class Clock(Protocol):
    def now(self) -> float: ...


@dataclass(slots=True)
class Sitting:
    """An open transaction and the case at hand. Whoever raises in it changes nothing."""

    tx: Transaction
    work: Casework

    @property
    def at(self) -> float:
        return self.work.at

    def incident(self, id_: str) -> Incident:
        """An incident, however long ago it was closed. Raises NotFound."""
        known = self.work.view.incidents.get(id_) or load_incident(self.tx.connection, id_)
        if known is None:
            raise NotFound(f"There is no incident {id_!r}.")
        self.work.view.incidents[id_] = known
        return known

    def shown(self, id_: str) -> dict[str, Any]:
        """The incident as people see it, what was settled included."""
        found = incident(self.tx.connection, id_)
        if found is None:
            raise NotFound(f"There is no incident {id_!r}.")
        return found

    def settle(self, partition: int | None) -> None:
        """Write what the case came to; pumps of `partition` (None: all) decide again what they were deciding."""
        changes = self.work.finish()
        if changes:
            self.tx.apply(changes, partition or 0)
        bump_desk(self.tx, partition)


class DeskBase:
    """`book` gives the rule book in force, `partition_of` the partition whose pump a model belongs to, of `partitions`.

    `told` is called after every commit, to wake the courier and the pump.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        policy: Policy,
        book: Callable[[], Book],
        public_url: str = "",
        partition_of: Callable[[str], int] = lambda model: 0,
        told: Callable[[], None] = lambda: None,
        partitions: int = 1,
    ) -> None:
        self.database, self.clock, self.policy, self.book = database, clock, policy, book
        self.public_url, self.partition_of, self.told = public_url.rstrip("/"), partition_of, told
        self.partitions = partitions

    @contextmanager
    def _sitting(self) -> Iterator[Sitting]:
        """Committed at the end. Raises NotFound for what is not there, LedgerUnavailable."""
        now = self.clock.now()
        try:
            with self.database.write(now) as tx:
                view = load_view(tx.connection, 0, now)
                yield Sitting(tx, Casework(view, self.policy, self.book(), now))
        except Unknown as problem:
            raise NotFound(str(problem)) from problem
        self.told()

    def _known(self, sitting: Sitting, model: str, rule: str | None) -> None:
        known_model(sitting.tx.connection, model)
        if rule is not None and sitting.work.rule(rule) is None:
            raise Refused(f"There is no rule {rule!r} in the rule book; give it as pack/Rule.")


def reasoned(what: str, reason: str) -> None:
    """Raises Refused unless there is a reason."""
    if not reason.strip() or len(reason) > REASON:
        raise Refused(f"{what} needs a reason of 1 to {REASON} characters: others will ask why.")
