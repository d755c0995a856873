"""The examples of docs/gate.md, each run in every state of the gate."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from fastapi.testclient import TestClient

import monitor.client

PAGE = (Path(__file__).parents[2] / "docs" / "gate.md").read_text()


def example(heading: str) -> str:
    section = PAGE.split(f"## {heading}\n", 1)[1]
    found = re.search(r"```python\n(.*?)```", section, re.DOTALL)
    assert found is not None
    return found[1]


class Case:
    """One example against a daemon that says one state, and answers questions as `decision` says."""

    def __init__(self, daemon: Any, heading: str, state: str, decision: str, answer: Any) -> None:
        self.daemon, self.state, self.decision, self.answer = daemon, state, decision, answer
        daemon.answer = self.says
        self.names: dict[str, Any] = {"__name__": "example"}
        exec(compile(example(heading), heading, "exec"), self.names)

    def says(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], Any]:
        if path.startswith("/v1/gates/"):
            gate = {"state": self.state, "epoch": "e", "generation": 4, "reason": "so", "lease_seconds": 60}
            return 200, {}, gate
        if path == "/v1/decisions":
            fallback = json.loads(body).get("fallback")
            decided = {"answer": fallback if self.decision == "rejected" else self.answer, "state": self.decision}
            return 201, {}, {"id": "d", "decided_by": "ada", "reason": "looked", **decided}
        return 202, {}, {"accepted": 1, "rejected": [], "duplicates": 0}

    def logged(self) -> tuple[Any, str, str]:
        """Output, gate and who answered, of the one event."""
        assert monitor.client.flush(10)
        (event,) = self.daemon.lines()
        return event["output"], event["context"]["gate"], event["context"]["answered_by"]

    def close(self) -> None:
        self.names["gate"].close()


@pytest.fixture(autouse=True)
def surroundings(daemon: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Libraries that are not there in the shape that the examples use; the daemon where they look for it."""
    monkeypatch.setenv("OVERLOOP_URL", daemon.url)
    monkeypatch.setitem(sys.modules, "overloop_client", monitor.client)
    monitor.client.configure(daemon.url, linger=0.01)
    linear, openai = ModuleType("sklearn.linear_model"), ModuleType("openai")
    linear.LogisticRegression = _Regression  # type: ignore[attr-defined]
    openai.AsyncOpenAI = _Llm  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "sklearn", ModuleType("sklearn"))
    monkeypatch.setitem(sys.modules, "sklearn.linear_model", linear)
    monkeypatch.setitem(sys.modules, "openai", openai)


class _Regression:
    def fit(self, rows: list[list[float]], labels: list[int]) -> _Regression:
        self.middle = sum(row[0] for row in rows) / len(rows)
        return self

    def predict_proba(self, rows: list[list[float]]) -> list[list[float]]:
        return [[0.1, 0.9] if row[0] > self.middle else [0.8, 0.2] for row in rows]


class _Llm:
    def __init__(self) -> None:
        self.chat = SimpleNamespace(completions=self)

    async def create(self, model: str, messages: list[dict[str, str]]) -> Any:
        said = f"You get your money back for: {messages[0]['content']}"
        return SimpleNamespace(choices=[SimpleNamespace(message=SimpleNamespace(content=said))])


STATES = [
    ("auto", "", "model"), ("halt", "", "fallback"), ("review", "approved", "approved"),
    ("review", "changed", "changed"), ("review", "rejected", "rejected"), ("review", "expired", "expired"),
]  # fmt: skip


@pytest.mark.parametrize(("state", "decision", "by"), STATES)
def test_the_service_with_fastapi_does_as_the_gate_says(daemon: Any, state: str, decision: str, by: str) -> None:
    case = Case(daemon, "FastAPI", state, decision, {"label": "call back"})
    given = TestClient(case.names["app"]).post("/payments", json={"amount": 5}).json()
    labels = {"model": "approve", "approved": "approve", "changed": "call back"}
    assert given == {"label": labels.get(by, "step-up")}
    assert case.logged() == (given, state, by)
    case.close()


@pytest.mark.parametrize(("state", "decision", "by"), STATES)
def test_the_model_of_scikit_learn_does_as_the_gate_says(daemon: Any, state: str, decision: str, by: str) -> None:
    case = Case(daemon, "scikit-learn", state, decision, 0.7)
    given = case.names["risk"](12, bill=40.0)
    assert given == {"model": 0.9, "approved": 0.9, "changed": 0.7}.get(by, 0.5)
    assert case.logged() == ({"value": given}, state, by)
    assert daemon.lines()[0]["inputs"] == {"months": 12, "bill": 40.0}
    case.close()


@pytest.mark.parametrize(("state", "decision", "by"), STATES)
def test_the_llm_call_does_as_the_gate_says(daemon: Any, state: str, decision: str, by: str) -> None:
    case = Case(daemon, "An LLM call", state, decision, "Please wait.")
    given = asyncio.run(case.names["answer"]("late parcel"))
    money = "You get your money back for: late parcel"
    expected = {"model": money, "approved": money, "changed": "Please wait."}
    assert given == expected.get(by, "A colleague will answer you shortly.")
    assert case.logged() == ({"value": given}, state, by)
    case.close()


def test_where_people_look_afterwards_the_answer_goes_out_and_a_sample_is_put_before_them(daemon: Any) -> None:
    case = Case(daemon, "FastAPI", "review", "", None)
    case.close()
    terms = {"review": "post", "sample": 1.0}
    gate = {"state": "review", "epoch": "f", "generation": 1, "reason": "", "lease_seconds": 60, "terms": terms}
    daemon.answer = lambda path, headers, body: (200, {}, gate) if "gates" in path else (201, {}, {})
    with monitor.client.Gate("m", daemon.url, wait=5.0) as one:
        guarded = one.guard(fallback=lambda x: 0)(lambda x: x + 1)
        assert guarded(1) == 2
        with daemon.arrived:
            asked = daemon.arrived.wait_for(lambda: any(p == "/v1/decisions" for p, _, _ in daemon.requests), 10)
    assert asked
    (body,) = [json.loads(body) for path, _, body in daemon.requests if path == "/v1/decisions"]
    assert (body["mode"], body["proposed"], body["inputs"]) == ("post", 2, {"x": 1})


def test_whoever_cannot_ask_a_person_does_what_is_safe(daemon: Any) -> None:
    case = Case(daemon, "FastAPI", "review", "", None)
    daemon.answer = lambda *_: (503, {}, {"detail": "Not now."})
    decision = case.names["gate"].ask("1", {"label": "approve"}, {"label": "deny"})
    assert (decision.state, decision.answer) == ("unasked", {"label": "deny"}) and "Not now" in decision.reason
    case.close()
