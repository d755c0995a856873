"""What people do besides incidents, references and gates: overrides, silences, models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any
from uuid import uuid4

from monitor.core.changes import Silence
from monitor.core.columns import KINDS
from monitor.core.incidents import actions, silences
from monitor.core.oversight import overrides
from monitor.runtime.desk_base import DeskBase, reasoned
from monitor.runtime.desk_errors import Refused
from monitor.runtime.desk_roles import require
from monitor.store.models import model as known_model
from monitor.store.models import retire_model, set_column_kind
from monitor.store.overrides import Override, add_override
from monitor.store.queries import override as shown_override
from monitor.store.silences import add_silence, expire_silence


class Steering(DeskBase):
    """All raise NotFound, Forbidden, Refused, Conflict, or LedgerUnavailable; then nothing was changed."""

    def override(
        self,
        model: str,
        decision_id: str,
        verb: str,
        reason: str,
        actor: str,
        role: str,
        note: str | None = None,
        answer: Any = None,
        reverses: str | None = None,
    ) -> dict[str, Any]:
        """Set one answer aside. Answers the override as it is kept."""
        require("override", actor, role)
        id_ = str(uuid4())
        said = overrides.Override(id_, model, decision_id, verb, reason, actor, note, answer, reverses)
        with self._sitting() as sitting:
            target = None
            if reverses is not None:
                kept = shown_override(sitting.tx.connection, reverses)
                target = overrides.Override(**{name: kept[name] for name in asdict(said)})
            _refuse(overrides.problem(said, target))
            add_override(sitting.tx, Override(**asdict(said)))
            return shown_override(sitting.tx.connection, id_)

    def silence_add(
        self,
        matchers: Sequence[tuple[str, str, str]],
        ends_at: float,
        reason: str,
        actor: str,
        role: str,
        starts_at: float | None = None,
    ) -> tuple[Silence, tuple[str, ...]]:
        """Hold messages back until `ends_at`. Answers the silence and the ids of the incidents it matches now."""
        require("add a silence", actor, role)
        with self._sitting() as sitting:
            since = sitting.at if starts_at is None else starts_at
            silence = Silence(str(uuid4()), tuple(matchers), since, ends_at, actor, reason)
            _refuse(silences.problem(silence))
            add_silence(sitting.tx, silence)
            sitting.settle(None)
            return silence, silences.matches_now(silence, sitting.work.view.incidents.values())

    def silence_expire(self, silence_id: str, actor: str, role: str) -> Silence:
        """End a silence now; one that has ended already stays as it is."""
        require("expire a silence", actor, role)
        with self._sitting() as sitting:
            ended = expire_silence(sitting.tx, silence_id, actor)
            sitting.settle(None)
            return ended

    def rearm(self, model: str, rule: str | None, reason: str, actor: str, role: str, segment: str = "") -> None:
        """Let the detectors of a rule, or (None) of all rules of a model, watch again."""
        require("re-arm detectors", actor, role)
        with self._sitting() as sitting:
            self._known(sitting, model, rule)
            reasoned("Re-arming", reason)
            sitting.work.want("rearm", model, rule, segment)
            body = {"model": model, "rule": rule, "segment": segment, "why": reason}
            sitting.work.record("rearmed", actor, {name: value for name, value in body.items() if value})
            sitting.settle(self.partition_of(model))

    def column_kind(self, model: str, column: str, kind: str, actor: str, role: str) -> dict[str, Any]:
        """Say what a column is. Answers the model."""
        require("set the kind of a column", actor, role)
        if kind not in KINDS:
            raise Refused(f"A column cannot be of kind {kind!r}; it is one of {', '.join(KINDS)}.")
        with self._sitting() as sitting:
            set_column_kind(sitting.tx, model, column, kind, actor)
            sitting.work.want("kinds", model, body={"column": column, "kind": kind})
            sitting.settle(self.partition_of(model))
            return known_model(sitting.tx.connection, model)

    def retire_model(self, model: str, reason: str, actor: str, role: str) -> dict[str, Any]:
        """Stop watching a model: its incidents are marked, its rules forget it. Answers the model."""
        require("retire a model", actor, role)
        reasoned("Retiring a model", reason)
        with self._sitting() as sitting:
            work = sitting.work
            retire_model(sitting.tx, model, actor)
            why = f"The model {model} was retired by {actor}: {reason}"
            for incident in [i for i in work.view.incidents.values() if i.model == model]:
                actions.end_watch(work, incident, actor, why)
            for key in [key for key in work.view.rule_states if key[1] == model]:
                work.put_state(key, None)
            work.want("retire", model, body={"until": sitting.at})
            sitting.settle(self.partition_of(model))
            return known_model(sitting.tx.connection, model)


def _refuse(sentence: str | None) -> None:
    if sentence is not None:
        raise Refused(sentence)
