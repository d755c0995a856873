"""What people said of incidents, held against what a rule book would have done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from monitor.core.backtest import Firing
from monitor.core.rules.model import Book, Detect, Rule, Windowed

SLACK = 3600.0  # seconds by which a firing may come before or after an incident and still be the same event


@dataclass(frozen=True, slots=True)
class Judged:
    """An incident as the ledger has it. `until`: when it cleared or was closed, None while it stands."""

    id: str
    rule: str
    model: str
    verdict: str | None
    at: float
    until: float | None
    columns: tuple[str, ...]
    statistics: tuple[str, ...]  # of its evidence: what found it
    effect: float | None  # the largest of its evidence, with its sign
    summary: str = ""

    @property
    def kinds(self) -> tuple[str, ...]:
        """The families of rules that find such a thing, by what their evidence calls itself."""
        return tuple(dict.fromkeys(kind for s in self.statistics for kind in _families(s)))


@dataclass(slots=True)
class Standing:
    """Of one rule on one model. Incidents appear once each, under their own rule or the first that would find them."""

    rule: str
    model: str
    firings: list[Firing] = field(default_factory=list)
    matched: list[Judged] = field(default_factory=list)  # real, and found
    missed: list[Judged] = field(default_factory=list)  # real, and not found
    gone: list[Judged] = field(default_factory=list)  # false, and no longer reported
    still: list[Judged] = field(default_factory=list)  # false, and reported again


_FAMILIES: Final = (
    ("seconds without", ("absent",)),
    ("share of broken cells", ("quality",)),
    ("score of", ("anomaly", "outlier")),
    ("harm: ", ("harm", "estimated_errors")),
    ("estimated errors: ", ("estimated_errors", "harm")),
    (" on answers", ("harm",)),
    ("categories: ", ("shift",)),
    ("new value", ("shift",)),
    ("shift: outlier", ("shift", "outlier")),
    (" on the share", ("harm",)),
    (" on ", ("shift",)),
)


def _families(statistic: str) -> tuple[str, ...]:
    known = next((kinds for words, kinds in _FAMILIES if words in statistic), None)
    if known is not None:
        return known
    first = statistic.split(":")[0].split(" ")[0].split("(")[0]
    if first == "rate" and "against" in statistic:
        return ("parity",)
    return (first,) if first in ("shift", "share", "count", "parity", "quality", "compare") else ("measure", "compare")


def kind_of(rule: Rule) -> str:
    """The family that a rule belongs to: what it detects, or the form of its condition."""
    form = rule.form
    return form.kind if isinstance(form, Detect | Windowed) else "absent"


def compare(
    book: Book, firings: Sequence[Firing], incidents: Sequence[Judged], models: Sequence[str]
) -> list[Standing]:
    """Every rule on every model, and what judged incidents say of it. A real one that no rule of the book is akin to
    is missed by the rule that found it, though that is gone."""
    found = {
        (rule.key, model): Standing(rule.key, model) for model in sorted(models) for _, rule in book.rules_for(model)
    }
    for firing in firings:
        found.setdefault((firing.rule, firing.model), Standing(firing.rule, firing.model)).firings.append(firing)
    for incident in sorted(incidents, key=lambda i: (i.at, i.id)):
        if incident.verdict not in ("real", "false"):
            continue
        same = next((f for f in firings if _akin(book, f, incident) and _overlap(f, incident)), None)
        key = (same.rule, same.model) if same is not None else _owner(book, incident)
        standing = found.setdefault(key, Standing(*key))
        real = incident.verdict == "real"
        list_ = (standing.matched if same else standing.missed) if real else (standing.still if same else standing.gone)
        list_.append(incident)
    return [found[key] for key in sorted(found)]


def _akin(book: Book, firing: Firing, incident: Judged) -> bool:
    """Whether a firing and an incident are of one rule, or of two that look at the same thing in the same way."""
    if firing.model != incident.model:
        return False
    if firing.rule == incident.rule:
        return True
    known = book.find(firing.rule, firing.model)
    same = known is not None and kind_of(known[1]) in incident.kinds
    return same and bool(set(firing.columns) & set(incident.columns) or not (firing.columns and incident.columns))


def _overlap(firing: Firing, incident: Judged) -> bool:
    """Whether both stood at the same time, or nearly."""
    ends = float("inf") if firing.until is None else firing.until
    ended = float("inf") if incident.until is None else incident.until
    return firing.at <= ended + SLACK and incident.at <= ends + SLACK


def _owner(book: Book, incident: Judged) -> tuple[str, str]:
    """The rule under which an incident that nothing found again is listed."""
    rules = [rule for _, rule in book.rules_for(incident.model)]
    if any(rule.key == incident.rule for rule in rules):
        return incident.rule, incident.model
    akin = next((rule.key for rule in rules if kind_of(rule) in incident.kinds), incident.rule)
    return akin, incident.model
