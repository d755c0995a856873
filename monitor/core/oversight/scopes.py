"""What a gate is about: a whole model, or one version, segment or operation of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from monitor.core.changes import GATE_ORDER, Gate, GateState

Part = Literal["", "version", "segment", "operation"]
PARTS: Final[tuple[Part, ...]] = ("", "version", "segment", "operation")
DRILL: Final = "overloop.drill"  # an operation that no service has: what is rehearsed there stops nobody
_ESCAPED: Final = (("%", "%25"), (";", "%3B"))


@dataclass(frozen=True, slots=True)
class Scope:
    """`part` is "" for the whole model; else `value` names one of its versions, segments or operations.

    A segment is written as incidents write it: `context.channel=web`.
    """

    model: str
    part: Part = ""
    value: str = ""

    @property
    def text(self) -> str:
        """How the ledger names it: the model's name alone, or `fraud-eu;version=3`. No two scopes share a text."""
        model = _escape(self.model)
        return f"{model};{self.part}={_escape(self.value)}" if self.part else model

    @property
    def shown(self) -> str:
        """For people."""
        return f"{self.model};{self.part}={self.value}" if self.part else self.model

    @property
    def qualifier(self) -> str:
        """`version=3`, or "" for the whole model: what a client has to match."""
        return f"{self.part}={self.value}" if self.part else ""


def is_drill(scope: Scope) -> bool:
    """Whether this is the operation on which halts are rehearsed."""
    return scope.part == "operation" and scope.value == DRILL


def read_scope(text: str) -> Scope:
    """The scope of a text that `Scope.text` made."""
    model, _, rest = text.partition(";")
    part, _, value = rest.partition("=")
    found: Part = next((p for p in PARTS if p == part), "")
    return Scope(_unescape(model), found, _unescape(value) if found else "")


def of_model(gates: Iterable[Gate], model: str) -> list[Gate]:
    """The gates of a model, the whole model's first."""
    own = [gate for gate in gates if read_scope(gate.scope).model == model]
    return sorted(own, key=lambda gate: (read_scope(gate.scope).part != "", gate.scope))


def generation(gates: Iterable[Gate], model: str) -> int:
    """The newest generation of any gate of a model: one counter for all of them, so that one number fences."""
    return max((gate.generation for gate in of_model(gates, model)), default=0)


def strictest(gates: Iterable[Gate]) -> Gate | None:
    """The most restrictive; of equals the one that was given first."""
    return max(gates, key=lambda gate: GATE_ORDER.index(gate.state), default=None)


def in_force(gates: Iterable[Gate], model: str, named: dict[Part, str]) -> Gate | None:
    """What holds for an answer of this version, segment and operation: the most restrictive of all that match."""
    scopes = {Scope(model).text, *(Scope(model, part, value).text for part, value in named.items())}
    return strictest(gate for gate in of_model(gates, model) if gate.scope in scopes)


def as_state(word: str) -> GateState | None:
    """The state of that name, None if there is none."""
    return next((state for state in GATE_ORDER if state == word), None)


def _escape(text: str) -> str:
    for plain, written in _ESCAPED:
        text = text.replace(plain, written)
    return text


def _unescape(text: str) -> str:
    for plain, written in reversed(_ESCAPED):
        text = text.replace(written, plain)
    return text
