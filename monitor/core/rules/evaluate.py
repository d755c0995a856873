"""Rules that look at a level, as watchers: shares, counts, measures, parity, comparisons, absence."""

from __future__ import annotations

from monitor.core.rules.evaluate_absent import AbsentWatcher
from monitor.core.rules.evaluate_level import LevelWatcher
from monitor.core.rules.model import Absent, Rule, Windowed


def window_watcher(rule: Rule, model: str) -> AbsentWatcher | LevelWatcher:
    """The watcher of a windowed or absent rule on one model. Raises ExpressionError if its expression is none.

    A rule that reads `truth.*` columns (`watcher.needs_truth`) must be fed joined batches only.
    """
    if isinstance(rule.form, Windowed):
        return LevelWatcher(rule, rule.form, model)
    if isinstance(rule.form, Absent):
        return AbsentWatcher(rule, rule.form, model)
    raise TypeError(f"rule {rule.key} learns a normal; it has a detector, not a window")
