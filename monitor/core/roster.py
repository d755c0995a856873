"""What the rules that watch a model come to: worked out once for all models that have the same ones."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from monitor.core.detectors.build import sharers
from monitor.core.rules.model import Absent, Rule
from monitor.core.rules.reads import reads


@dataclass(frozen=True, slots=True)
class Roster:
    """`rules` by their keys, in the order of the book. Do not write to what it holds: it is shared.

    `meanings` say what the memory of each depends on: rules of equal meaning can share it. `truthful` read columns of
    the truth, and `joined` are the columns of events that these want beside it; `labels` watch the feed of labels.
    `sharers` say by how much the model's page budget is divided for each.
    """

    rules: dict[str, Rule]
    meanings: dict[str, str]
    truthful: frozenset[str]
    labels: frozenset[str]
    joined: tuple[str, ...]
    sharers: dict[str, int]


def roster_of(rules: list[Rule]) -> Roster:
    """That of rules which may be the very same for many models."""
    return _roster(_Same(tuple(rules)))


class _Same:
    """Rules as a cache key by their identity: to compare what they say would take as long as to work it out."""

    def __init__(self, rules: tuple[Rule, ...]) -> None:
        self.rules = rules
        self._ids = tuple(map(id, rules))

    def __hash__(self) -> int:
        return hash(self._ids)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other._ids == self._ids


@lru_cache(maxsize=512)
def _roster(key: _Same) -> Roster:
    rules = key.rules
    read = {rule.key: reads(rule) for rule in rules}
    truthful = frozenset(key for key, columns in read.items() if any(c.startswith("truth.") for c in columns))
    joined = {column for key in truthful for column in read[key] if not column.startswith("truth.")}
    return Roster(
        rules={rule.key: rule for rule in rules},
        meanings={rule.key: repr((rule.form, rule.reference, rule.on_version)) for rule in rules},
        truthful=truthful,
        labels=frozenset(rule.key for rule in rules if isinstance(rule.form, Absent) and rule.form.truth),
        joined=tuple(sorted(joined)),
        sharers={rule.key: sharers(rule, rules) for rule in rules},
    )
