"""What the pump counts: steps, findings, rules, the bank. Called once a step, never once an event."""

from __future__ import annotations

from collections.abc import Mapping

from monitor.telemetry.registry import Labelled, Registry

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class PumpMetrics:
    """Times are daemon time, durations seconds; a rule is named by its key, "pack/Rule"."""

    def __init__(self, registry: Registry) -> None:
        self._registry = r = registry
        self._steps = r.histogram("step_duration_seconds", "One step: observe, decide, commit.", SECONDS)
        self._step_at = r.moment("step_last", "When the last step was committed.")
        self._observed = r.counter("events_observed", "Events that detectors and rules have seen.")
        self._quarantined = r.counter("events_quarantined", "Events set aside because they made a step fail.")
        self._last_event = Labelled(
            r.gauge("last_event_timestamp_seconds", "When a model's newest event was recorded.", ["model"])
        )
        self._findings = Labelled(r.counter("findings", "What detectors found, by rule.", ["rule"]))
        self._evaluations = r.counter("rule_evaluations", "Rules decided, each once a step.")
        self._failures = r.counter("rule_evaluation_failures", "Rules and detectors that failed.")
        self._evaluating = r.histogram("rule_evaluation_duration_seconds", "All rules of one step, decided.", SECONDS)
        self._missed = r.counter("rule_group_iterations_missed", "Looks at the rules that came too late.")
        self._evaluated_at = r.moment("rule_group_last_evaluation", "When rules were last decided.")
        self._series = Labelled(
            r.gauge(
                "rule_last_evaluation_series_fetched",
                "Segments a level rule judged last; 0: it matches nothing.",
                ["rule"],
            )
        )
        self._bank = r.gauge("bank_bytes", "Memory of detectors and windows.")
        self._bank_limit = r.gauge("bank_limit_bytes", "What the bank may grow to.")
        self._refused = r.counter("bank_refused_series", "Series not watched because the bank was full.")
        self._disabled = r.gauge("detectors_disabled", "Detectors switched off because they failed.")
        self._snapshots = r.histogram("snapshot_duration_seconds", "One snapshot, written.", SECONDS)
        self._snapshot_at = r.moment("snapshot_last", "When a snapshot was last written.")

    def step(self, seconds: float, events: int, at: float, last_events: Mapping[str, float]) -> None:
        """A step was committed; `last_events`: model -> when its newest event was recorded."""
        self._registry.changed = True
        self._steps.observe(seconds)
        self._observed.inc(events)
        self._step_at.set(at)
        for model, moment in last_events.items():
            self._last_event(model).set(moment)

    def quarantined(self, events: int) -> None:
        self._quarantined.inc(events)

    def finding(self, rule: str, count: int = 1) -> None:
        self._findings(rule).inc(count)

    def evaluated(self, rules: int, seconds: float, at: float, failures: int = 0) -> None:
        """All rules of a step were decided, which took this long."""
        self._evaluations.inc(rules)
        self._failures.inc(failures)
        self._evaluating.observe(seconds)
        self._evaluated_at.set(at)

    def tick_missed(self) -> None:
        self._missed.inc()

    def series_seen(self, rule: str, series: int) -> None:
        self._series(rule).set(series)

    def bank(self, bytes_: int, limit: int, refused: int = 0, disabled: int = 0) -> None:
        """What the bank holds; `refused` series since the last call, `disabled` detectors now."""
        self._bank.set(bytes_)
        self._bank_limit.set(limit)
        self._refused.inc(refused)
        self._disabled.set(disabled)

    def snapshot(self, seconds: float, at: float) -> None:
        self._snapshots.observe(seconds)
        self._snapshot_at.set(at)
