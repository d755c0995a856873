"""The watcher of a `detect:` rule that lives on the page budget of its model."""

from __future__ import annotations

from monitor.core.columns import Columns
from monitor.core.rules.model import Detect, Rule
from monitor.core.watcher import Watcher


def budgeted_watcher(rule: Rule, detect: Detect, model: str, columns: Columns, form: str, budget: float) -> Watcher:
    """`budget` is in false pages a week. Nothing here imports River before a rule names it."""
    from monitor.core.detectors.staked.watcher import HarmWatcher, ShiftWatcher

    if detect.kind == "harm":
        from monitor.core.rules.expressions import compile_condition

        return HarmWatcher(rule, detect, columns, form, budget, model, compile_condition(detect.of or ""))
    if detect.kind in ("anomaly", "outlier"):
        from monitor.core.detectors.scored.watcher import AnomalyWatcher, OutlierWatcher

        make = AnomalyWatcher if detect.kind == "anomaly" else OutlierWatcher
        return make(rule, detect, columns, form, budget, model)
    return ShiftWatcher(rule, detect, columns, form, budget, model)
