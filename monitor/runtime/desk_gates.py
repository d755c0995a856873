"""What people do to gates, and what services say of them."""

from __future__ import annotations

from typing import Any

from monitor.core.changes import Gate
from monitor.core.incidents.break_glass import glass_broken
from monitor.core.oversight.gate import GateRefusal, Wish, set_by_person
from monitor.core.oversight.scopes import Scope, generation, is_drill
from monitor.core.oversight.terms import GateTerms, terms_for
from monitor.runtime.desk_base import DeskBase, Sitting
from monitor.runtime.desk_errors import Conflict, Refused
from monitor.runtime.desk_roles import require
from monitor.store.database import Connection
from monitor.store.gate_clients import Applied, applied
from monitor.store.gates import own_gate
from monitor.store.models import is_known
from monitor.store.queries import gate as shown_gate


class Gates(DeskBase):
    """All raise NotFound, Forbidden, Refused, Conflict, or LedgerUnavailable; then nothing was changed."""

    def gate_set(
        self,
        scope: Scope | str,
        state: str,
        reason: str,
        actor: str,
        role: str,
        if_match: int | None = None,
        break_glass: bool = False,
    ) -> dict[str, Any]:
        """Say what the services of a model (by its name, or a part of it) may do, looser or tighter.

        `if_match` is the generation that was seen. Answers the gate; where a halt takes two people to end, the first
        one's answer is the gate as it was, with `asked` set. `break_glass` does without, and calls people.
        """
        require("set a gate", actor, role)
        scope = scope if isinstance(scope, Scope) else Scope(scope)
        wish = Wish(state, reason, actor, if_match, break_glass)
        with self._sitting() as sitting:
            before, newest = sitting.work.gate(scope.text), generation(sitting.work.gates(scope.model), scope.model)
            after = set_by_person(before, wish, sitting.at, self._terms(scope), newest)
            if isinstance(after, GateRefusal):
                if after.stale:
                    raise Conflict(after.sentence, _shown(sitting, scope))
                raise Refused(after.sentence)
            if after != before:
                _keep(sitting, scope, before, after, wish)
                sitting.settle(self.partition_of(scope.model))
            return _shown(sitting, scope)

    def _terms(self, scope: Scope) -> GateTerms:
        """What is rehearsed stops nobody, so it ends when the rehearsal does."""
        return GateTerms() if is_drill(scope) else terms_for(self.book(), scope.model)

    def gate_applied(self, said: Applied) -> bool:
        """A service says which generation it follows. Answers whether that is news."""
        with self.database.write(self.clock.now()) as tx:
            _possible(tx.connection, said, any(pack.watches(said.model) for pack in self.book().packs))
            return applied(tx, said)


def _possible(connection: Connection, said: Applied, watched: bool) -> None:
    """Nobody can have applied what was never said: such a word would make a drill pass. Raises Refused."""
    now = shown_gate(connection, said.model)
    epoch, newest = now["epoch"] or "", now["generation"]
    if newest == 0 and not watched and not is_known(connection, said.model):
        raise Refused(f"Nobody knows a model {said.model}: no pack names it, and it has neither events nor a gate.")
    if said.epoch != epoch:
        raise Refused(f"The epoch of the gates is {epoch!r}, not {said.epoch!r}: read the gate again.")
    if said.generation > newest:
        raise Refused(
            f"The gate of {said.model} is at generation {newest}, and {said.generation} is above it: read it again."
        )


def _keep(sitting: Sitting, scope: Scope, before: Gate, after: Gate, wish: Wish) -> None:
    work = sitting.work
    if after.asked is not None:
        work.changes.gates[after.scope] = after
        asked = {"model": scope.model, "scope": scope.shown, "to": after.asked.to, "reason": after.asked.reason}
        work.record("gate_release_asked", wish.actor, {**asked, "generation": after.generation})
        return
    work.put_gate(after, before, wish.actor)
    if wish.break_glass and before.state == "halt":
        glass_broken(work, scope, after, wish.actor)
    work.release_gate(after)


def _shown(sitting: Sitting, scope: Scope) -> dict[str, Any]:
    return own_gate(sitting.tx.connection, scope)
