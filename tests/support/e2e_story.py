"""The traffic that trips every form of rule once, and the rules it trips."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from live_daemon import LiveDaemon

Fields = Callable[[int], Mapping[str, Any]]


@dataclass(frozen=True)
class Form:
    """One form of rule: the model made for it, the rule it trips, and words its message must have."""

    model: str
    rule: str
    words: tuple[str, ...]

    def __str__(self) -> str:
        return self.rule


FORMS = (
    Form("e2e-shift", "SensorShift", ("inputs.reading", "moved from a mean of 20", "to 68")),
    Form(
        "e2e-missing",
        "ReadingsMissing",
        ("inputs.pressure: no value in 40% of the latest events, against 0% of the first",),
    ),
    Form("e2e-share", "LowConfidence", ("share of output.confidence < 0.6",)),
    Form("e2e-count", "NegativeAmounts", ("count of inputs.amount < 0",)),
    Form("e2e-measure", "SlowAnswers", ("p99(context.latency_ms)", "800")),
    Form("e2e-parity", "ApprovalParity", ("inputs.gender=f", "output.decision == 'approve'", "0.25", "0.8")),
    Form("e2e-compare", "CanaryWorse", ("mean(output.score)", "above 0.32, and 10% is the limit", "version 2")),
    Form("e2e-harm", "ErrorsUp", ("output.label != truth.label", "%", "set the gate of the model to review")),
    Form("e2e-silent", "ModelSilent", ("nothing has come for", "3 seconds")),
)


def events(model: str, count: int, fields: Fields, prefix: str = "a", **more: Any) -> list[dict[str, Any]]:
    """Events of one model: `fields` gives the sections of each."""
    return [{"id": f"{prefix}-{k}", "model": model, **more, **fields(k)} for k in range(count)]


def tell(daemon: LiveDaemon) -> None:
    """Normal traffic first, then what is wrong, for each form; the truth of `e2e-harm` comes afterwards."""
    drawn = random.Random(4)
    daemon.send(events("e2e-shift", 600, lambda k: {"inputs": {"reading": drawn.gauss(20, 1)}}))
    daemon.send(events("e2e-shift", 100, lambda k: {"inputs": {"reading": drawn.gauss(68, 1.8)}}, "warm"))
    daemon.send(events("e2e-missing", 300, lambda k: {"inputs": {"pressure": drawn.gauss(20, 1)}}))
    daemon.send(events("e2e-missing", 40, lambda k: {"inputs": {"pressure": None}}, "gone"))
    daemon.send(events("e2e-share", 200, lambda k: {"output": {"confidence": 0.5 if k % 3 == 0 else 0.9}}))
    daemon.send(events("e2e-count", 20, lambda k: {"inputs": {"amount": -5 if k < 6 else 5}}))
    slow = events("e2e-measure", 200, lambda k: {"output": {}, "context": {"latency_ms": 900 if k % 20 == 0 else 30}})
    daemon.send(slow)
    daemon.send(events("e2e-parity", 400, _decision))
    daemon.send(events("e2e-compare", 200, lambda k: {"output": {"score": 0.3 + 0.01 * (k % 5)}}, version="1"))
    daemon.send(events("e2e-compare", 200, lambda k: {"output": {"score": 0.5 + 0.01 * (k % 5)}}, "b", version="2"))
    daemon.send(events("e2e-silent", 3, lambda k: {"inputs": {"x": k}}))
    daemon.send(events("e2e-harm", 1000, lambda k: {"output": {"label": "yes"}}))
    daemon.settled()
    truths = [{"id": f"a-{k}", "model": "e2e-harm", "truth": {"label": _truth(k)}} for k in range(1000)]
    assert daemon.send(truths, "/v1/truth")["accepted"] == 1000


def _decision(k: int) -> dict[str, Any]:
    """Every man is approved, and one woman in four."""
    man = k % 2 == 1
    return {
        "inputs": {"gender": "m" if man else "f"},
        "output": {"decision": "approve" if man or k % 8 == 0 else "deny"},
    }


def _truth(k: int) -> str:
    """One answer in fifty is wrong, and from the 601st on every second."""
    return "no" if (k > 600 and k % 2) or k % 50 == 0 else "yes"
