"""The demo's model at work: an online classifier on NASA's Shuttle telemetry, and a sensor that changes its unit."""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

MODEL = "shuttle-radiator"
SENSORS = ("f1", "f3", "f7", "f8", "f9")  # those that vary enough for a unit to be visible
TRUTH_LAG = 400  # rows until the truth of an answer is known
TRAINED = 2_000  # rows the classifier has learned before it goes to work


@dataclass(slots=True)
class Plan:
    """What goes wrong in one run: drawn at random, told at the end."""

    sensor: str
    row: int

    @classmethod
    def draw(cls, generator: random.Random) -> Plan:
        return cls(generator.choice(SENSORS), generator.randrange(9_000, 16_000))


@dataclass(slots=True)
class Answer:
    """One answer of the model, and the truth of an earlier one that has become known meanwhile."""

    row: int
    id: str
    inputs: dict[str, float]
    label: str
    confidence: float
    latency_ms: float
    known: tuple[str, str] | None


@dataclass(slots=True)
class Service:
    """A model in production: trained before, then answering first and learning when the truth is known."""

    plan: Plan
    run: str  # makes the ids of this run its own
    right: int = 0
    judged: int = 0
    _owed: deque[tuple[str, dict[str, float], str]] = field(default_factory=deque)

    def answers(self) -> Iterator[Answer]:
        from river import datasets, linear_model, preprocessing

        model = preprocessing.StandardScaler() | linear_model.LogisticRegression()
        for row, (reading, truth) in enumerate(datasets.Shuttle()):
            inputs = self._as_sent(row, reading)
            if row < TRAINED:
                model.learn_one(inputs, bool(truth))
                continue
            began = time.perf_counter()
            chance = model.predict_proba_one(inputs).get(True, 0.5)
            latency = (time.perf_counter() - began) * 1e3
            label = "anomaly" if chance > 0.5 else "normal"
            known = self._settle(model)
            name = f"{self.run}-{row}"
            self._owed.append((name, inputs, "anomaly" if truth else "normal"))
            self.right += (chance > 0.5) == bool(truth)
            self.judged += 1
            yield Answer(row, name, inputs, label, max(chance, 1 - chance), latency, known)

    def _as_sent(self, row: int, reading: dict[str, Any]) -> dict[str, float]:
        """The reading as the sensors send it: degrees Celsius become Fahrenheit from the planned row on."""
        sent = {name: float(value) for name, value in reading.items()}
        if row >= self.plan.row:
            sent[self.plan.sensor] = sent[self.plan.sensor] * 1.8 + 32
        return sent

    def _settle(self, model: Any) -> tuple[str, str] | None:
        if len(self._owed) < TRUTH_LAG:
            return None
        name, inputs, truth = self._owed.popleft()
        model.learn_one(inputs, truth == "anomaly")
        return name, truth
