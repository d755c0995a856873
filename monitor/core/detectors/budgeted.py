"""The watcher of a `detect:` rule that lives on the page budget of its model."""

from __future__ import annotations

from monitor.core.columns import Columns
from monitor.core.rules.model import Detect, Rule
from monitor.core.watcher import Watcher


def budgeted_watcher(rule: Rule, detect: Detect, model: str, columns: Columns, form: str, budget: float) -> Watcher:
    """`budget` is in false pages a week. Nothing here imports River before a rule names it."""
    if detect.kind == "harm":
        return _harm_watcher(rule, detect, model, columns, form, budget)
    if detect.kind == "estimated_errors":
        return _estimated_watcher(rule, detect, model, columns, form, budget)
    if detect.kind in ("anomaly", "outlier"):
        from monitor.core.detectors.scored.watcher import AnomalyWatcher, OutlierWatcher

        make = AnomalyWatcher if detect.kind == "anomaly" else OutlierWatcher
        return make(rule, detect, columns, form, budget, model)
    if detect.method is not None:
        from monitor.core.detectors.ranked.watcher import RankedWatcher

        return RankedWatcher(rule, detect, columns, form, budget, model)
    from monitor.core.detectors.staked.watcher import ShiftWatcher

    return ShiftWatcher(rule, detect, columns, form, budget, model)


def _harm_watcher(rule: Rule, detect: Detect, model: str, columns: Columns, form: str, budget: float) -> Watcher:
    from monitor.core.rules.expressions import compile_condition

    condition = compile_condition(detect.of or "")
    if detect.method is not None:
        from monitor.core.detectors.ranked.watcher import RankedHarmWatcher

        return RankedHarmWatcher(rule, detect, columns, form, budget, model, condition)
    from monitor.core.detectors.staked.watcher import HarmWatcher

    return HarmWatcher(rule, detect, columns, form, budget, model, condition)


def _estimated_watcher(rule: Rule, detect: Detect, model: str, columns: Columns, form: str, budget: float) -> Watcher:
    from monitor.core.detectors.estimated.watcher import EstimatedWatcher
    from monitor.core.rules.expressions import compile_condition

    wrong = None if detect.of is None else compile_condition(detect.of)
    return EstimatedWatcher(rule, detect, columns, form, budget, model, wrong)
