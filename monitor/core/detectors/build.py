"""The watcher of a `detect:` rule."""

from __future__ import annotations

from collections.abc import Iterable

from monitor.core.columns import Columns
from monitor.core.detectors.forms import form_of
from monitor.core.detectors.methods import problems
from monitor.core.rules.model import Detect, Rule
from monitor.core.watcher import Watcher


def detector_watcher(rule: Rule, model: str, columns: Columns, budget: float = 1.0) -> Watcher:
    """The live memory of a `detect:` rule for one model. Raises ValueError, in whole sentences, if it cannot be.

    `budget` is the rule's part of the model's page budget, in false pages a week. Modules are imported when a rule
    names them: ADWIN and the half-space trees need neither scipy nor `river.drift`.
    """
    detect = rule.form
    if not isinstance(detect, Detect):
        raise ValueError(f"{rule.key} is no detect rule.")
    wrong = problems(detect)
    if wrong:
        raise ValueError(" ".join(wrong))
    form = form_of(rule, detect)
    if budgeted(detect):
        from monitor.core.detectors.budgeted import budgeted_watcher

        return budgeted_watcher(rule, detect, model, columns, form, budget)
    if detect.kind == "shift":
        from monitor.core.detectors.shift import shift_watcher

        return shift_watcher(rule, detect, columns, form)
    if detect.kind == "harm":
        from monitor.core.detectors.harm import harm_watcher
        from monitor.core.rules.expressions import compile_condition

        return harm_watcher(rule, detect, compile_condition(detect.of or ""), form)
    if detect.kind == "quality":
        from monitor.core.detectors.quality import QualityWatcher

        return QualityWatcher(rule, detect, model, columns, form)
    from monitor.core.detectors.vector_watcher import vector_watcher

    return vector_watcher(rule, detect, columns, form)


def budgeted(detect: Detect) -> bool:
    """Whether a rule lives on the model's page budget: all that learn what is normal, without `budget: none`."""
    return detect.kind != "quality" and detect.budget


def takes_references(detect: Detect) -> bool:
    """Whether people can give a rule a reference: shifts of numbers under the page budget, by our own detector."""
    return detect.kind == "shift" and detect.method is None and budgeted(detect)


def page_budget(rule: Rule, rules: Iterable[Rule], false_pages: float) -> float:
    """The rule's part of its model's budget, false pages a week: equal over the kinds present, then over their rules.

    Shadow rules page nobody and take nothing; each has the part it would have if it were live.
    """
    return false_pages / sharers(rule, rules)


def sharers(rule: Rule, rules: Iterable[Rule]) -> int:
    """By how much the model's budget is divided for this rule."""
    live = {r.key: r.form.kind for r in rules if isinstance(r.form, Detect) and budgeted(r.form) and r.stage == "live"}
    if isinstance(rule.form, Detect):
        live[rule.key] = rule.form.kind
    mine = live.get(rule.key)
    return max(len(set(live.values())) * sum(kind == mine for kind in live.values()), 1)


def allow(watcher: Watcher, budget: float) -> None:
    """Tell a watcher that is kept under a new rule book its part of the budget."""
    change = getattr(watcher, "allow", None)
    if change is not None:
        change(budget)
