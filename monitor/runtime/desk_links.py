"""Acknowledging without signing in: by a link in a message, or in the pager service that was told."""

from __future__ import annotations

import hashlib

from monitor.core.incidents import actions
from monitor.core.oversight.links import Link
from monitor.runtime.desk_base import DeskBase
from monitor.runtime.desk_errors import NotFound, Refused
from monitor.runtime.desk_incidents import Shown
from monitor.runtime.desk_roles import require
from monitor.store.links import link_used, links_revoked_at, revoke_links, use_link

_USED = "This link was used already: one works once. Sign in to act, or use the one in a newer message."
_REVOKED = "This link was taken back. Sign in to act, or use the one in a newer message."


class Links(DeskBase):
    """All raise LedgerUnavailable; then nothing was changed."""

    def link_problem(self, link: Link, text: str) -> str | None:
        """Why a link can no longer be used, as a sentence. It is not used up by asking."""
        with self.database.read() as connection:
            if link.issued_at <= links_revoked_at(connection, link.target):
                return _REVOKED
            return _USED if link_used(connection, _hash(text)) else None

    def acknowledge_by_link(self, link: Link, text: str) -> Shown:
        """Use the link up and acknowledge, in one transaction. Raises Refused, NotFound."""
        with self._sitting() as sitting:
            if link.issued_at <= links_revoked_at(sitting.tx.connection, link.target):
                raise Refused(_REVOKED)
            if not use_link(sitting.tx, _hash(text), link.actor, link.expires_at):
                raise Refused(_USED)
            incident = sitting.incident(link.incident)
            refusal = actions.acknowledge(sitting.work, incident, link.actor)
            if refusal is not None:
                raise Refused(refusal)
            sitting.settle(self.partition_of(incident.model))
            return sitting.shown(incident.id)

    def acknowledge_elsewhere(self, incident_id: str, actor: str, at: float) -> bool:
        """Somebody acknowledged it at `at` where the receiver leads.

        False if there is nothing to acknowledge: it is not open, or has opened again since.
        """
        with self._sitting() as sitting:
            try:
                incident = sitting.incident(incident_id)
            except NotFound:
                return False
            if incident.state != "open" or at < incident.changed_at - _LATE:
                return False
            actions.acknowledge(sitting.work, incident, actor)
            sitting.settle(self.partition_of(incident.model))
            return True

    def revoke_links(self, name: str, actor: str, role: str) -> None:
        """Take back every link sent to a receiver so far."""
        require("take links back", actor, role)
        if name not in {receiver.name for receiver in self.policy.receivers}:
            raise NotFound(f"There is no receiver {name!r}.")
        with self._sitting() as sitting:
            revoke_links(sitting.tx, name, actor)


_LATE = 60.0  # seconds that the clock over there may be behind


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
