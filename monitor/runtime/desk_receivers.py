"""What the daemon and people say of receivers: one that fails, one that works again, one to be tested."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from monitor.core.incidents import receivers
from monitor.runtime.desk_base import DeskBase
from monitor.runtime.desk_errors import NotFound
from monitor.runtime.desk_roles import require
from monitor.store.receivers import failing_receivers, keep_failing


class Receivers(DeskBase):
    """All raise LedgerUnavailable; then nothing was changed."""

    def receiver_failing(self, name: str, problem: str) -> None:
        """The courier gave a target up for now: others are called instead, and told of it."""
        with self._sitting() as sitting:
            known = failing_receivers(sitting.tx.connection)
            if name in known:
                return
            keep_failing(sitting.tx, {**known, name: sitting.at})
            sitting.work.now_failing({*known, name})
            receivers.failing(sitting.work, name, problem)
            sitting.settle(None)

    def receiver_works(self, name: str) -> None:
        """A message to it was delivered."""
        with self.database.read() as connection:
            if name not in failing_receivers(connection):
                return
        with self._sitting() as sitting:
            known = failing_receivers(sitting.tx.connection)
            keep_failing(sitting.tx, {other: since for other, since in known.items() if other != name})
            sitting.work.now_failing(set(known) - {name})
            receivers.works(sitting.work, name)
            sitting.settle(None)

    def receiver_test(self, name: str, actor: str, role: str) -> dict[str, Any]:
        """Owe a receiver a message that says it is a test. Answers the incident it is kept with."""
        require("test a receiver", actor, role)
        if name not in {receiver.name for receiver in self.policy.receivers}:
            raise NotFound(f"There is no receiver {name!r}.")
        id_ = str(uuid4())
        with self._sitting() as sitting:
            receivers.test_of(sitting.work, name, id_, actor)
            sitting.settle(None)
            return sitting.shown(id_)
