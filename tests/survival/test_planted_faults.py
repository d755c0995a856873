"""Faults of the program itself, planted: an event that makes a step fail, a detector that raises, one that panics."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from breakage import planted
from daemon_process import PACK, Daemon, alive, until

Make = Callable[..., Daemon]
LEARNING = f"""{PACK}
- alert: Moved
  detect: {{shift: inputs.x, with: page_hinkley, budget: none}}
  severity: medium
"""


def events(model: str, values: list[float]) -> list[dict[str, Any]]:
    rest = {"model": model, "output": {"confidence": 0.9}}
    return [{"id": f"{model}{i}-{x}", "inputs": {"x": x}, **rest} for i, x in enumerate(values)]


def own_incident(daemon: Daemon, rule: str) -> dict[str, Any]:
    found = daemon.incident(rule)
    assert (found["pack"], found["model"]) == ("overloop", "overloop")
    return found


@pytest.fixture
def faulty(make_daemon: Make, tmp_path: Path) -> Daemon:
    return make_daemon(environ=planted(tmp_path), pack=LEARNING)


@pytest.mark.slow
def test_an_event_that_makes_a_step_fail_is_set_aside_alone_and_people_are_told(faulty: Daemon) -> None:
    faulty.start()
    family = faulty.family()
    sick = [{"id": f"p{i}", "model": "m", "output": {"confidence": 0.1}} for i in range(200)]
    sick[137]["id"] = "poison"
    faulty.accept(*sick)
    until(lambda: faulty.ask("/v1/accounting")[1].get("observed") == 199, "the rest is not observed")
    found = faulty.accounting()
    assert (found["accepted"], found["quarantined"], found["waiting"]) == (200, 1, 0)
    assert "199" in faulty.incident("Low")["summary"]
    assert "1" in own_incident(faulty, "EventsQuarantined")["summary"]
    assert faulty.said("observe_failed") and all(alive(pid) for pid in family)
    faulty.kill()
    faulty.start()  # what was set aside is left out when the steps are run again
    found = faulty.accounting()
    assert (found["observed"], found["quarantined"]) == (199, 1)
    assert len(faulty.said("observe_failed")) == 1
    assert faulty.stop() == 0


@pytest.mark.slow
@pytest.mark.parametrize(("value", "word"), [(4.25, "ArithmeticError"), (99.0, "PanicException")])
def test_a_detector_that_fails_is_switched_off_with_an_incident_and_everything_else_goes_on(
    faulty: Daemon, value: float, word: str
) -> None:
    faulty.start()
    family = faulty.family()
    faulty.accept(*events("m", [1.0, 2.0] * 200), *events("other", [1.0, 2.0] * 200))
    faulty.observed(800)
    faulty.accept(*events("m", [value] * 5))
    incident = faulty.incident("Moved")
    assert incident["model"] == "m"
    assert f"The detector of inputs.x stopped with {word} and is off" in incident["summary"]
    assert faulty.said("detector_disabled")
    low = [{"id": f"low{i}", "model": "m", "output": {"confidence": 0.1}} for i in range(5)]
    faulty.accept(*low)
    faulty.incident("Low")
    assert [i["model"] for i in faulty.incidents() if i["rule"] == "Moved"] == ["m"]
    found = faulty.accounting()
    assert (found["quarantined"], found["waiting"]) == (0, 0)
    assert all(alive(pid) for pid in family)
    assert faulty.stop() == 0
