"""The watcher of a `detect:` rule."""

from __future__ import annotations

from monitor.core.columns import Columns
from monitor.core.detectors.forms import form_of
from monitor.core.detectors.methods import problems
from monitor.core.rules.model import Detect, Rule
from monitor.core.watcher import Watcher


def detector_watcher(rule: Rule, model: str, columns: Columns) -> Watcher:
    """The live memory of a `detect:` rule for one model. Raises ValueError, in whole sentences, if it cannot be.

    Modules are imported when a rule names them: ADWIN and the half-space trees need neither scipy nor `river.drift`.
    """
    detect = rule.form
    if not isinstance(detect, Detect):
        raise ValueError(f"{rule.key} is no detect rule.")
    wrong = problems(detect)
    if wrong:
        raise ValueError(" ".join(wrong))
    form = form_of(rule, detect)
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
