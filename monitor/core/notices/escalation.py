"""Who is told after whom while nobody acts. An incident keeps the policy that held when it was opened."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True, slots=True)
class Step:
    """`receivers` are names, or `schedule:NAME`; `wait` is how long they have (seconds) before the next step."""

    receivers: tuple[str, ...]
    wait: float


@dataclass(frozen=True, slots=True)
class Escalation:
    """After the last step all begin again, `repeat` times."""

    name: str
    steps: tuple[Step, ...]
    repeat: int = 0

    def stages(self) -> Iterator[tuple[int, float, Step]]:
        """Each step as often as it is taken: its number, from 0, and the seconds after the first."""
        after, number = 0.0, 0
        for _ in range(self.repeat + 1):
            for step in self.steps:
                yield number, after, step
                after, number = after + step.wait, number + 1


def snapshot(escalation: Escalation) -> str:
    """As an incident keeps it."""
    steps = [{"receivers": list(step.receivers), "wait": step.wait} for step in escalation.steps]
    return json.dumps({"name": escalation.name, "steps": steps, "repeat": escalation.repeat}, sort_keys=True)


@lru_cache(maxsize=256)
def restored(text: str) -> Escalation:
    """From what `snapshot` made."""
    kept = json.loads(text)
    steps = tuple(Step(tuple(step["receivers"]), float(step["wait"])) for step in kept["steps"])
    return Escalation(kept["name"], steps, int(kept["repeat"]))
