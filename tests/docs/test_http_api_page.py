"""The page on the HTTP API: every route is on it with its role, and every example answers what it shows.

`OVERLOOP_WRITE_DOCS=1 pytest tests/docs/test_http_api_page.py` writes what is answered now into the page.
"""

from __future__ import annotations

import inspect
import json
import os
import re
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from api_examples import Example, StandIns, differences, examples, filled, written
from fastapi.routing import APIRoute
from live_daemon import ROOT, LiveDaemon, wait_until
from pydantic import BaseModel

from monitor.web import openapi, shapes
from monitor.web.app import FOR_PEOPLE, FOR_PROGRAMS

FILE = ROOT / "docs" / "http-api.md"
PAGE = FILE.read_text()
RAW = {("POST", "/v1/events"): "`ingest`", ("POST", "/v1/truth"): "`ingest`"}
RULES = ROOT / "tests" / "web" / "pack"
MODEL = "shop-eu"


# -- the routes ---------------------------------------------------------------------------------------------------


def routes(modules: tuple[Any, ...]) -> dict[tuple[str, str], APIRoute]:
    there = [route for module in modules for route in module.router.routes]
    return {
        (method, re.sub(r"\{(\w+?)_?(:path)?\}", r"{\1}", route.path)): route
        for route in there
        for method in route.methods - {"HEAD"}
    }


def role(route: APIRoute) -> str | None:
    """The role a route takes, as the page has it; None if it takes no token."""
    for dependant in route.dependant.dependencies:
        known = inspect.getclosurevars(dependant.call).nonlocals if dependant.call else {}
        if "role" in known:
            return " or ".join(f"`{one}`" for one in (known["role"], *known["also"]))
    return None


def test_the_page_has_every_route_with_its_role_and_no_other() -> None:
    sections = re.findall(r"^### `(\w+) (/\S*)`\n\n(Role: (?P<role>.+)|No token\b.*)$", PAGE, re.MULTILINE)
    told = {(method, path): named or None for method, path, _, named in sections}
    assert told == {key: role(route) for key, route in routes(FOR_PROGRAMS).items()} | RAW


def test_the_page_has_every_page_for_people_and_no_other() -> None:
    told = re.findall(r"^\| `(GET|POST) (/\S*)` \|", PAGE, re.MULTILINE)
    assert set(told) == set(routes(FOR_PEOPLE)) and len(told) == len(set(told))


def test_every_route_but_three_has_an_example() -> None:
    section = re.split(r"^### `(\w+ /\S*)`\n", PAGE, flags=re.MULTILINE)
    without = {name for name, text in zip(section[1::2], section[2::2], strict=True) if not examples(text)}
    assert without == {"GET /metrics", "GET /openapi.json", "POST /v1/references/fit"}
    assert PAGE.count("\ncurl ") == len(examples(PAGE)), "each example has its answer"


# -- the examples -------------------------------------------------------------------------------------------------


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[LiveDaemon]:
    """A daemon that has had an incident, as the page supposes."""
    live = LiveDaemon(tmp_path / "home", [RULES]).start()
    ordinary = {"inputs": {"amount": 20.5, "group": "a"}, "context": {"latency_ms": 41}}
    answers = [{"score": 0.6, "label": "yes", "confidence": 0.5 if n % 4 == 0 else 0.9} for n in range(200)]
    live.send({"id": f"e-{n}", "model": MODEL, "version": "3", **ordinary, "output": o} for n, o in enumerate(answers))
    live.send([{"id": "o-1", "model": "shop-old", **ordinary, "output": answers[1]}])
    live.incident("LowConfidence", MODEL)
    yield live
    live.stop()


def ask(daemon: LiveDaemon, command: str) -> tuple[int, Any]:
    """Run a command of the page as typed: status and body."""
    script = re.sub(r"^curl ", r"curl -sS -w '\\n%{http_code}' ", command)
    environ = {**os.environ, "URL": daemon.url, "TOKEN": daemon.token}
    done = subprocess.run(["bash", "-c", script], env=environ, capture_output=True, text=True, timeout=60)
    body, _, status = done.stdout.rpartition("\n")
    assert done.returncode == 0 and body, f"{command}\n{done.stdout}{done.stderr}"
    return int(status), json.loads(body.replace(f":{daemon.port}/", ":8420/"))


def test_every_example_answers_what_the_page_shows(daemon: LiveDaemon) -> None:
    page, wrong, names = PAGE, [], StandIns(datetime.now(UTC))
    for example in examples(PAGE):
        status, body = ask(daemon, names.meant(example.command))
        found = names.shown(body)
        wrong += problems(example, status, found)
        promised(example.command, status).model_validate(body)
        page = page.replace(example.answer, written(status, filled(example.body, found)), 1)
        if " $URL/v1/events" in example.command or " $URL/v1/truth" in example.command:
            wait_until(lambda: daemon.accounting()["waiting"] == 0, "what was posted is observed")
    if os.environ.get("OVERLOOP_WRITE_DOCS"):
        FILE.write_text(page)
    assert wrong == []


def promised(command: str, status: int) -> type[BaseModel]:
    """The shape that `/openapi.json` gives the answer."""
    if status >= 400:
        return shapes.ProblemDocument
    path = re.search(r"\$URL(/[^ ?\"]*)", command)
    given = re.search(r"-X (\w+)", command)
    method = given[1] if given else "POST" if "--data-binary" in command else "GET"
    assert path is not None, command
    for (known, pattern), shape in openapi.ANSWERS.items():
        if known == method and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", pattern), path[1]):
            return shape
    raise AssertionError(f"{method} {path[1]} has no shape")


def problems(example: Example, status: int, found: Any) -> list[str]:
    different = list(differences(example.body, found))
    if status != example.status:
        different.append(f"the status is {status}, and {example.status} on the page")
    return [f"{example.command.splitlines()[0]}: {one}" for one in different]


@pytest.mark.parametrize(
    ("shown", "answered", "same"),
    [
        ({"a": 1}, {"a": 1}, True),
        ({"a": 1}, {"a": 2}, False),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ({"a": 1, "b": 2}, {"a": 1}, False),
        ({"a": 1, "…": "…"}, {"a": 1, "b": 2}, True),
        ({"a": 1, "…": "…"}, {"b": 2}, False),
        ({"a": "…"}, {"a": [1, 2]}, True),
        ([1, 2], [1, 2, 3], False),
        ([1, 2, "…"], [1, 2, 3], True),
        ([1, 2, "…"], [1, 3], False),
        ({"at": "2026-11-24T08:00:00Z"}, {"at": "2027-01-01T10:00:00.5Z"}, True),
        ({"at": "2026-11-24T08:00:00Z"}, {"at": None}, False),
        ({"size": 3}, {"size": 4}, True),
        ({"size": 3}, {"size": "4"}, False),
        ({"against": "3:" + "a" * 64}, {"against": "4:" + "a" * 64}, True),
        ({"against": "3:" + "a" * 64}, {"against": "3:" + "b" * 64}, False),
    ],
)
def test_an_answer_that_is_not_what_the_page_shows_is_noticed(shown: Any, answered: Any, same: bool) -> None:
    assert (list(differences(shown, answered)) == []) is same
    assert list(differences(filled(shown, answered), answered)) == [], "what is written into the page is right"
