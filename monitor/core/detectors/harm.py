"""`detect: {harm: condition}`: what the condition calls an error became more frequent. Falls are no harm."""

from __future__ import annotations

from typing import Protocol

from monitor.core.detectors.compare import Guard
from monitor.core.detectors.keyed_watcher import Part
from monitor.core.detectors.methods import TOLERANCE, method_of, parameters_of
from monitor.core.detectors.report import clean
from monitor.core.detectors.series import Change, Settings
from monitor.core.detectors.shift import WORDS, scalar_maker, sure_of
from monitor.core.detectors.stream_watcher import Plan, StreamWatcher
from monitor.core.events import Batch, Codes
from monitor.core.findings import UNKNOWN, YES
from monitor.core.rules.model import Detect, Rule


class Indicator(Protocol):
    """A compiled condition."""

    def evaluate(self, batch: Batch) -> Codes: ...


def harm_watcher(rule: Rule, detect: Detect, condition: Indicator, form: str) -> StreamWatcher:
    """Feeds 1 where the condition holds, 0 where it does not, nothing where it is unknown."""
    method, parameters = method_of(detect), parameters_of(detect)
    tolerance = TOLERANCE["harm"] if detect.tolerance is None else detect.tolerance
    name = detect.of or ""
    more = {"mode": "up"} if method == "page_hinkley" else {}

    def parts(batch: Batch) -> list[Part]:
        known = condition.evaluate(batch)
        return [Part(name, (known == YES).astype(float), known != UNKNOWN)]

    plan = Plan(
        parts=parts,
        make=scalar_maker(method, parameters, **more),
        settings=Settings(
            Guard(tolerance, sure_of(method), rates=True, up=True),
            parameters["warm_up"],
            scaled=method == "page_hinkley",
        ),
        statistic=f"{method} on the share",
        tell=lambda column, change: _tell(column, change, WORDS[method]),
        about=lambda: {
            "detects": "harm",
            "with": method,
            "parameters": parameters,
            "least_effect": tolerance,
            "budget": "none: raw alarms of the detector",
        },
    )
    return StreamWatcher(rule, detect.by, form, plan)


def _tell(column: str, change: Change, detector: str) -> str:
    return (
        f"{clean(column)} holds for {change.value:.1%} of the last {change.n:,} answers, "
        f"against {change.expected:.1%} of {change.n_before:,} before ({detector})"
    )
