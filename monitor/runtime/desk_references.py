"""What people say is normal: accepted, given, put back, or accepted for a time. Nothing of it happens by itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from monitor.core.incidents import actions
from monitor.core.state import StateError
from monitor.core.times import rfc3339
from monitor.runtime.desk_base import DeskBase, Sitting, reasoned
from monitor.runtime.desk_errors import Refused
from monitor.runtime.desk_roles import require
from monitor.store import references as kept
from monitor.store.models import ModelSeen, see_models
from monitor.store.models import model as known_model

if TYPE_CHECKING:
    from monitor.core.references import Fitted

LARGEST = 4 << 20  # bytes of what was fitted for one version, packed
LONGEST = 366 * 86_400.0  # seconds until a reference that runs out does so
Shown = dict[str, Any]


class References(DeskBase):
    """All raise NotFound, Forbidden, Refused, or LedgerUnavailable; then nothing was changed.

    `expires_at`: when what is accepted for a time only runs out; the version before it is then put back. Each answers
    the new version as `GET /v1/references` lists it.
    """

    def accept_reference(
        self,
        model: str,
        rule: str | None,
        reason: str,
        actor: str,
        role: str,
        expires_at: float | None = None,
    ) -> Shown:
        """Take the present for the new normal of a rule, or (None) of all rules of a model: they learn it afresh."""
        require("accept a new normal", actor, role)
        with self._sitting() as sitting:
            self._known(sitting, model, rule)
            return self._accept(sitting, model, rule, reason, actor, expires_at, {})

    def accept_incident(
        self, incident_id: str, reason: str, actor: str, role: str, expires_at: float | None = None
    ) -> Shown:
        """What an incident reports is the new normal of its rule; it is closed as expected."""
        require("accept a new normal", actor, role)
        with self._sitting() as sitting:
            incident = sitting.incident(incident_id)
            if sitting.work.rule(incident.key) is None:
                raise Refused(f"The rule {incident.key} is no longer in the rule book, so nothing learns for it.")
            if not incident.latches:
                raise Refused(f"{incident.key} has a limit that people wrote; it learns nothing: change its limit.")
            refusal = actions.close(sitting.work, incident, actor, "expected")
            if refusal is not None and incident.state != "closed":
                raise Refused(refusal)
            return self._accept(
                sitting, incident.model, incident.key, reason, actor, expires_at, {"incident": incident_id}
            )

    def fit_reference(
        self,
        model: str,
        packed: Mapping[str, bytes],
        source: Mapping[str, Any],
        reason: str,
        actor: str,
        role: str,
        expires_at: float | None = None,
    ) -> Shown:
        """Watch by what was fitted (`core.references.Fitted.pack`, by rule) from the pump's next step on.

        A model that has not answered yet is watched by it from its first event on.
        """
        require("accept a new normal", actor, role)
        reasoned("A new normal", reason)
        if sum(map(len, packed.values())) > LARGEST:
            raise Refused(f"A reference is at most {LARGEST >> 20} MB: name fewer columns, or fewer under `by`.")
        fitted = {rule: self._sound(model, rule, body) for rule, body in packed.items()}  # long: nobody waits for it
        if not any(s.armed is not None for one in fitted.values() for s in one.series):
            raise Refused(f"Every series was refused, so nothing would be watched. {_refusals(fitted.values())}")
        with self._sitting() as sitting:
            see_models(sitting.tx, [ModelSeen(model, sitting.at, None, 0)] if self._new(sitting, model) else [])
            rule = next(iter(packed)) if len(packed) == 1 else None
            return self._place(sitting, model, rule, packed, source, reason, actor, expires_at)

    def rollback_reference(
        self, reference_id: str, reason: str, actor: str, role: str, expires_at: float | None = None
    ) -> Shown:
        """Put an earlier version back, as a new one."""
        require("accept a new normal", actor, role)
        reasoned("A rollback", reason)
        with self._sitting() as sitting:
            before = kept.reference(sitting.tx.connection, reference_id)
            packed = kept.reference_bodies(sitting.tx.connection, reference_id)
            if not packed:
                raise Refused(
                    f"Version {before['version']} of {before['model']} has nothing to go back to: its detectors have "
                    "not finished learning it. `overloop reference list` shows which have."
                )
            for rule, body in packed.items():
                self._sound(before["model"], rule, body, again=True)
            source = {"rolled_back_to": before["version"], "reference": reference_id}
            kind = "reference_rolled_back"
            return self._place(
                sitting, before["model"], before["rule"], packed, source, reason, actor, expires_at, kind
            )

    def expire_references(self, now: float) -> float | None:
        """Put back what was before those that have run out by `now`. Answers when the next one does."""
        with self.database.read() as connection:
            waiting = kept.expiring(connection)
        for row in (row for row in waiting if row["expires_at"] <= now):
            with self._sitting() as sitting:  # one each: settling writes all that a sitting has come to
                if row in kept.expiring(sitting.tx.connection):
                    self._run_out(sitting, row)
        return min((row["expires_at"] for row in waiting if row["expires_at"] > now), default=None)

    # -- how --------------------------------------------------------------------------------------------------------

    def _accept(
        self,
        sitting: Sitting,
        model: str,
        rule: str | None,
        reason: str,
        actor: str,
        expires_at: float | None,
        more: Mapping[str, Any],
    ) -> Shown:
        reasoned("A new normal", reason)
        id_, source = str(uuid4()), {"accepted": "present", "at": sitting.at, **more}
        until = _until(sitting, expires_at)
        version = kept.add_reference(sitting.tx, id_, model, rule, source, actor, reason, expires_at=until)
        sitting.work.want("reference", model, rule, body={"reference": id_, "version": version})
        sitting.settle(self.partition_of(model))
        return kept.reference(sitting.tx.connection, id_)

    def _place(
        self,
        sitting: Sitting,
        model: str,
        rule: str | None,
        packed: Mapping[str, bytes],
        source: Mapping[str, Any],
        reason: str,
        actor: str,
        expires_at: float | None = None,
        kind: str = "reference_accepted",
    ) -> Shown:
        from monitor.core.references import to_text

        id_, until = str(uuid4()), _until(sitting, expires_at)
        version = kept.add_reference(sitting.tx, id_, model, rule, source, actor, reason, packed, until, kind)
        for name, body in sorted(packed.items()):
            told = {"reference": id_, "version": version, "fitted": to_text(body)}
            sitting.work.want("reference", model, name, body=told)
        sitting.settle(self.partition_of(model))
        return kept.reference(sitting.tx.connection, id_)

    def _run_out(self, sitting: Sitting, row: Mapping[str, Any]) -> None:
        """The end of a reference that was accepted for a time: the one before it, unless there is a newer one."""
        connection, model, version = sitting.tx.connection, row["model"], row["version"]
        kept.end_reference(sitting.tx, row["id"])
        packed: dict[str, bytes] = {}
        for rule in kept.rules_of(connection, model, row["rule"]):
            earlier = kept.in_force(connection, model, rule, before=version)
            newest = kept.newest(connection, model, rule)
            known = sitting.work.rule(rule, model) is not None
            if known and earlier is not None and (newest is None or newest < version):
                packed[rule] = kept.reference_bodies(connection, earlier)[rule]
        why = f"Version {version} was accepted until {rfc3339(row['expires_at'])}; what was normal before it is back."
        if packed:
            self._place(
                sitting,
                model,
                row["rule"],
                packed,
                {"ran_out": version, "reference": row["id"]},
                why,
                kept.MACHINE,
                kind="reference_expired",
            )
        else:
            said = {"model": model, "rule": row["rule"], "version": version, "reference": row["id"]}
            sitting.work.record("reference_expired", kept.MACHINE, {**said, "reason": "there is none to put back"})
            sitting.settle(self.partition_of(model))

    def _sound(self, model: str, rule: str, body: bytes, again: bool = False) -> Fitted:
        """What was fitted, if the rule in force can watch by it. Raises Refused."""
        from monitor.core.detectors.budget.learning import tolerance_of
        from monitor.core.detectors.build import takes_references
        from monitor.core.detectors.forms import form_of
        from monitor.core.references import unpack
        from monitor.core.rules.model import Detect

        found = next((r for _, r in self.book().rules_for(model) if r.key == rule), None)
        if found is None:
            raise Refused(f"No rule {rule!r} of the rule book watches the model {model}.")
        if not isinstance(found.form, Detect) or not takes_references(found.form):
            raise Refused(
                f"{rule} is no shift under the page budget, so no reference can be given to it: it learns its own."
            )
        try:
            fitted = unpack(body, trusted=again)
        except StateError as problem:
            raise Refused(f"What was fitted for {rule} cannot be used: {problem}.") from problem
        tolerance = tolerance_of(found, found.form)
        if fitted.rule != rule or (not again and fitted.form != form_of(found, found.form)):
            raise Refused(f"It was fitted for another form of {rule} than the one in force: fit it by these rules.")
        if fitted.tolerance > tolerance:
            raise Refused(
                f"It was proven for a tolerance of {fitted.tolerance:g}, and {rule} now has {tolerance:g}: fit a new "
                "one with `overloop reference fit`."
            )
        return fitted

    def _new(self, sitting: Sitting, model: str) -> bool:
        from monitor.store.errors import Unknown

        try:
            known_model(sitting.tx.connection, model)
        except Unknown:
            return True
        return False


def _until(sitting: Sitting, expires_at: float | None) -> float | None:
    if expires_at is not None and not sitting.at < expires_at <= sitting.at + LONGEST:
        raise Refused("A new normal runs out after now and within a year, or has no end: leave its end out.")
    return expires_at


def _refusals(fitted: Iterable[Fitted]) -> str:
    notes = [f"{s.column}: {s.note}" for one in fitted for s in one.series]
    return " ".join(notes[:3]) if notes else "The data holds no number column that a rule looks at."
