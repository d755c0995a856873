"""What people do to incidents. Each action answers the incident as `GET /v1/incidents/{id}` shows it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from monitor.core.incidents import actions
from monitor.core.incidents.casework import Casework
from monitor.core.incidents.model import Incident
from monitor.runtime.desk_base import DeskBase, Sitting
from monitor.runtime.desk_errors import Conflict, Refused
from monitor.runtime.desk_roles import Action, require
from monitor.store.notes import add_note

_Do = Callable[[Casework, Incident], str | None]
Shown = dict[str, Any]


class IncidentActions(DeskBase):
    """`actor` is the name from the token, `role` its role. `revision` is what the person saw: an older one is a
    Conflict with the newer incident. `note` is written down in the same transaction. Times are seconds.

    All raise NotFound, Forbidden, Refused, Conflict, or LedgerUnavailable; then nothing was changed.
    """

    def acknowledge(
        self,
        incident_id: str,
        actor: str,
        role: str,
        revision: int | None = None,
        note: str | None = None,
        for_: float | None = None,
        take: bool = False,
    ) -> Shown:
        """ "I have it", for `for_` seconds. Evidence does not change a revision, so a hot incident can be taken.

        Doing it again is no conflict: a client that lost the answer may simply ask again.
        """
        return self._act(
            ("acknowledge", "acknowledge"),
            incident_id,
            (actor, role),
            revision,
            note,
            lambda work, incident: actions.acknowledge(work, incident, actor, for_, take),
            done=lambda incident: incident.state == "acknowledged" and incident.acknowledged_by == actor,
        )

    def release(
        self, incident_id: str, actor: str, role: str, revision: int | None = None, note: str | None = None
    ) -> Shown:
        """Give an acknowledgement back: the incident stands open again."""
        return self._act(
            ("release", "release"),
            incident_id,
            (actor, role),
            revision,
            note,
            lambda work, incident: actions.release(work, incident, actor),
        )

    def assign(
        self,
        incident_id: str,
        actor: str,
        role: str,
        owner: str | None,
        revision: int | None = None,
        note: str | None = None,
    ) -> Shown:
        """Make somebody the owner, or (None) nobody."""
        return self._act(
            ("assign", "assign"),
            incident_id,
            (actor, role),
            revision,
            note,
            lambda work, incident: actions.assign(work, incident, actor, owner),
        )

    def close(
        self,
        incident_id: str,
        actor: str,
        role: str,
        verdict: str | None = None,
        revision: int | None = None,
        note: str | None = None,
    ) -> Shown:
        """Close it. Closing a latched incident takes a supervisor, because its detectors then watch again."""
        return self._act(
            ("close", "close a latched incident"),
            incident_id,
            (actor, role),
            revision,
            note,
            lambda work, incident: actions.close(work, incident, actor, verdict),
        )

    def reopen(
        self, incident_id: str, actor: str, role: str, revision: int | None = None, note: str | None = None
    ) -> Shown:
        """Take a closing back; refused, with a link, where the rule has a newer incident."""
        return self._act(
            ("reopen", "reopen"),
            incident_id,
            (actor, role),
            revision,
            note,
            lambda work, incident: self._linked(work, incident, actions.reopen(work, incident, actor)),
        )

    def verdict(
        self,
        incident_id: str,
        actor: str,
        role: str,
        verdict: str,
        revision: int | None = None,
        note: str | None = None,
    ) -> Shown:
        """What it was: real, expected, false, unclear."""
        return self._act(
            ("give a verdict", "give a verdict"),
            incident_id,
            (actor, role),
            revision,
            note,
            lambda work, incident: actions.verdict(work, incident, actor, verdict),
        )

    def note(self, incident_id: str, actor: str, role: str, note: str) -> Shown:
        """Write something down. It changes nothing that is decided on, so there is no revision to compare."""
        require("note", actor, role)
        with self._sitting() as sitting:
            incident = sitting.incident(incident_id)
            _write(sitting, incident, actor, note)
            return sitting.shown(incident.id)

    # -- the one way ----------------------------------------------------------------------------------------------

    def _act(
        self,
        needs: tuple[Action, Action],  # for incidents that do not latch, and for those that do
        incident_id: str,
        who: tuple[str, str],
        revision: int | None,
        note: str | None,
        do: _Do,
        done: Callable[[Incident], bool] = lambda incident: False,
    ) -> Shown:
        actor, role = who
        with self._sitting() as sitting:
            incident = sitting.incident(incident_id)
            require(needs[1] if incident.latches else needs[0], actor, role)
            if revision is not None and revision != incident.revision and not done(incident):
                raise Conflict(_moved_on(incident, revision), sitting.shown(incident.id))
            refusal = do(sitting.work, incident)
            if refusal is not None:
                raise Refused(refusal)
            if note is not None:
                _write(sitting, incident, actor, note)
            sitting.settle(self.partition_of(incident.model))
            return sitting.shown(incident.id)

    def _linked(self, work: Casework, incident: Incident, refusal: str | None) -> str | None:
        """A refusal that names a newer incident also says where it is."""
        newer = work.newer(incident)
        if refusal is None or newer is None or newer not in refusal or not self.public_url:
            return refusal
        return f"{refusal} {self.public_url}/incidents/{newer}"


def _write(sitting: Sitting, incident: Incident, actor: str, text: str) -> None:
    problem = actions.note_problem(text)
    if problem is not None:
        raise Refused(problem)
    add_note(sitting.tx, incident.id, actor, text)


def _moved_on(incident: Incident, seen: int) -> str:
    by = f", acknowledged by {incident.acknowledged_by}" if incident.acknowledged_by else ""
    return (
        f"Incident {incident.id} has changed since you looked: you saw revision {seen}, it is at "
        f"{incident.revision} now ({incident.state}{by}). Look again, then decide."
    )
