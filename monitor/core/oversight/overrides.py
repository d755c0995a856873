"""Setting one answer of a model aside: four verbs, each with a reason, reversals linked to what they reverse."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

VERBS: Final = ("not_use", "disregard", "override", "reverse")
_LONGEST: Final = 4000  # characters of a reason or note


@dataclass(frozen=True, slots=True)
class Override:
    """not_use: the answer is not acted on. disregard: it is acted on without weight. override: `answer` stands in
    its place. reverse: an earlier override (`reverses`) is taken back. `answer` is any JSON value."""

    id: str
    model: str
    decision_id: str
    verb: str
    reason: str
    by: str
    note: str | None = None
    answer: Any = None
    reverses: str | None = None


def problem(override: Override, target: Override | None = None) -> str | None:
    """Why this cannot be an override, as a sentence; None if it can. `target` is the one that `reverses` names."""
    for name, value in (("model", override.model), ("decision_id", override.decision_id)):
        if not value.strip() or len(value) > 200:
            return f"An override needs a {name} of 1 to 200 characters: whose answer is set aside?"
    if override.verb not in VERBS:
        return f"The verb {override.verb!r} is unknown; it is one of {', '.join(VERBS)}."
    if not override.reason.strip() or len(override.reason) > _LONGEST:
        return f"An override needs a reason of 1 to {_LONGEST} characters: say why the answer is set aside."
    if override.note is not None and len(override.note) > _LONGEST:
        return f"The note is longer than {_LONGEST} characters."
    if override.verb == "override" and override.answer is None:
        return "The verb override needs an answer: what stands in place of the model's?"
    return _reversal(override, target)


def _reversal(override: Override, target: Override | None) -> str | None:
    if override.verb != "reverse":
        if override.reverses is not None:
            return f"Only the verb reverse takes an override back, not {override.verb}."
        return None
    if override.reverses is None:
        return "The verb reverse needs reverses: the id of the override that is taken back."
    if target is None:
        return f"There is no override {override.reverses} to take back."
    if target.verb == "reverse":
        return f"Override {target.id} is itself a reversal; set the answer aside anew instead."
    if (target.model, target.decision_id) != (override.model, override.decision_id):
        return f"Override {target.id} is about decision {target.decision_id} of {target.model}, not about this one."
    return None
