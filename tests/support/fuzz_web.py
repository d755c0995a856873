"""Target: requests of every kind to the whole front, in this process: those that no OpenAPI document lists, too."""

from __future__ import annotations

import asyncio
import json
import socket
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from fuzz_files import folder
from fuzzing import Target, text

from monitor.app.front import FrontProcess
from monitor.app.home import Home, fill, make
from monitor.app.prepare import take_book
from monitor.clock import Clock
from monitor.settings import load
from monitor.store.ledger import take_partition

PACKS = Path(__file__).resolve().parents[1] / "web" / "pack"


@cache
def front() -> FrontProcess:
    """On a home of its own. Its intake does not run: what is posted to it waits in vain, so nothing is."""
    place = folder() / "front"
    home = make(place)
    fill(home)
    settings = load({"home": place, "rules": [PACKS], "listen": "127.0.0.1:8420"}, {})
    take_book(home, settings)
    with home.database() as database:
        take_partition(database, 0, Clock(place).now())
    made = FrontProcess(Home(place), settings, socket.socket())
    made.front.hooks = {"pd": b"s" * 32}
    return made


@cache
def token() -> str:
    return (folder() / "front" / "token").read_text().strip()


def _request(data: bytes) -> None:
    """METHOD TARGET, headers a line each, an empty line, the body; TOKEN in it stands for one that is in force."""
    made = front()
    head, _, body = data.replace(b"TOKEN", token().encode()).partition(b"\n\n")
    first, *lines = head.split(b"\n")
    verb, _, target = first.partition(b" ")
    method, raw, query = text(verb), *(part.decode("latin-1") for part in target.partition(b"?")[::2])
    path = unquote(raw)  # as the server does, which makes replacement characters of what is no UTF-8
    headers = [
        (name.strip().lower(), value.strip()) for name, _, value in (line.partition(b":") for line in lines[:30])
    ]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method if method.isascii() and method.isalpha() else "GET",
        "scheme": "http",
        "path": path if path.startswith("/") else f"/{path}",
        "raw_path": quote(raw).encode(),
        "query_string": query.encode("latin-1"),
        "root_path": "",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8420),
    }
    if scope["path"] in ("/v1/events", "/v1/truth", "/-/reload"):
        return
    status, sent = asyncio.run(_answered(made.app, scope, body))
    assert 200 <= status < 500 or status in (502, 503), (status, sent[:500])


async def _answered(app: Any, scope: dict[str, Any], body: bytes) -> tuple[int, bytes]:
    messages = [{"type": "http.request", "body": body, "more_body": False}]
    parts: list[bytes] = []
    status = 0

    async def receive() -> dict[str, Any]:
        return messages.pop() if messages else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        nonlocal status
        status = message.get("status", status)
        parts.append(message.get("body", b""))

    await app(scope, receive, send)
    return status, b"".join(parts)


def asked(line: str, body: Any = None, **headers: str) -> bytes:
    sent = {"Host": "127.0.0.1:8420", "Authorization": "Bearer TOKEN", "Content-Type": "application/json", **headers}
    raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    lines = [line, *(f"{name}: {value}" for name, value in sent.items() if value)]
    return "\n".join(lines).encode() + b"\n\n" + raw


SILENCE = {
    "matchers": [{"name": "alertname", "value": "Low|High", "isRegex": True, "isEqual": False}],
    "startsAt": "2026-11-24T08:00:00Z",
    "endsAt": "2096-11-24T08:00:00.5+01:00",
    "createdBy": "kim",
    "comment": "c",
}
FORM = {"Content-Type": "application/x-www-form-urlencoded", "Origin": "http://127.0.0.1:8420"}
TARGETS = (
    Target(
        "request",
        _request,
        (
            asked("GET /api/v2/alerts?filter=alertname%3D%22x%22&active=false&receiver=oncall"),
            asked("POST /api/v2/silences", SILENCE),
            asked('GET /api/v2/silences?filter={model=~"a|b"}'),
            asked("DELETE /api/v2/silence/x"),
            asked("GET /api/v1/rules?type=alert&rule_name[]=a"),
            asked("GET /api/v1/alerts"),
            asked("POST /hooks/pagerduty/pd", {"event": {}}, **{"X-PagerDuty-Signature": "v1=00"}),
            asked("GET /a/x.y"),
            asked("POST /login", b"t=x&next=%2Fincidents", **FORM),
            asked("GET /login?t=x&next=//evil", Authorization=""),
            asked("POST /incidents/x/acknowledge", b"note=hello&revision=1", **FORM),
            asked("GET /incidents?state=open&model=m&after=2026", Accept="text/html"),
            asked("GET /models/m?named=a&beyond=b", Accept="text/html"),
            asked("GET /v1/incidents?state=open&after=1764000000.0,abc&limit=10"),
            asked("GET /v1/audit?before=5&limit=10&kind=note"),
            asked("PUT /v1/gates/m", {"state": "review", "reason": "r"}, **{"If-Match": '"0"'}),
            asked(
                "POST /v1/overrides",
                {"model": "m", "decision_id": "d", "verb": "override", "reason": "r", "answer": {"a": 1}},
            ),
            asked("POST /v1/changes", {"model": "m", "version": "2", "at": "2026-11-24T08:00:00Z"}),
            asked("POST /v1/references/fit", {"model": "m", "fitted": {"p/R": "AAAA"}, "reason": "r"}),
            asked("POST /v1/tokens", {"user": "kim", "role": "viewer", "days": 1}),
            asked(
                "POST /v1/silences",
                {"matchers": [{"name": "model", "operator": "=~", "value": "a.*"}], "reason": "r", "for_seconds": 60},
            ),
            asked("GET /metrics", Accept="application/openmetrics-text"),
            asked("GET /v1/models", Cookie='overloop=x; a="b', Origin="null", Authorization=""),
        ),
        most=1 << 14,
    ),
)
