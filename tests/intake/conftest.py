"""A front without the web framework: the two routes of an `Intake` over a real spool."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from monitor.formats.secrets import Secrets
from monitor.spool import Spool
from monitor.web.ingest import Intake
from monitor.web.intake_body import Caps

KEY = b"a key for secret columns"


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Site:
    """The intake, its spool, and `post`, which drives a route over ASGI in an event loop of its own."""

    intake: Intake
    spool: Spool
    woken: list[int]

    async def send(
        self,
        body: bytes | list[bytes],
        route: str = "events",
        headers: Mapping[str, str] | None = None,
        method: str = "POST",
    ) -> Reply:
        parts = [body] if isinstance(body, bytes) else list(body)
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            if not parts:
                return {"type": "http.disconnect"}
            return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}

        async def send(message: Any) -> None:
            sent.append(message)

        raw = [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()]
        scope = {"type": "http", "method": method, "path": f"/v1/{route}", "headers": raw}
        await getattr(self.intake, route)(scope, receive, send)
        start, end = sent
        return Reply(start["status"], {k.decode(): v.decode() for k, v in start["headers"]}, end["body"])

    def post(self, body: bytes | list[bytes], route: str = "events", **more: Any) -> Reply:
        return asyncio.run(self.send(body, route, **more))

    def kept(self) -> list[Any]:
        return [json.loads(line) for r in self.spool.read(0, 0, 10**9) for line in r.payload.split(b"\n")]


@pytest.fixture
def make_site(tmp_path: Path) -> Iterator[Callable[..., Site]]:
    opened: list[Site] = []

    def make(
        caps: Caps | None = None,
        secrets: Secrets | None = None,
        authorise: Callable[[Mapping[str, str]], object] = lambda _: None,
        start: bool = True,
        now: Callable[[], float] = lambda: 1000.0,
        folder: str = "spool",
        observed: Callable[[int], int] | None = None,
        **more: Any,
    ) -> Site:
        spool = Spool.open(tmp_path / folder, **more)
        woken: list[int] = []
        intake = Intake(
            spool,
            secrets or Secrets(KEY),
            now=now,
            authorise=authorise,
            wake=lambda: woken.append(1),
            partitions=more.get("partitions", 1),
            caps=caps,
            observed=observed,
        )
        if start:
            intake.start()
        opened.append(Site(intake, spool, woken))
        return opened[-1]

    yield make
    for site in opened:
        site.intake.stop()
        site.spool.close()


@pytest.fixture
def site(make_site: Callable[..., Site]) -> Site:
    return make_site()


@pytest.fixture
def together() -> Callable[[list[Coroutine[Any, Any, Any]]], list[Any]]:
    """Run several sends in one event loop at once."""

    def run(sends: list[Coroutine[Any, Any, Any]]) -> list[Any]:
        async def gather() -> list[Any]:
            return list(await asyncio.gather(*sends))

        return asyncio.run(gather())

    return run


@pytest.fixture
def serve() -> Iterator[Callable[[Site], str]]:
    """Put a site behind a real server in a thread; answers its address."""
    import socket
    import threading

    import uvicorn

    running: list[tuple[uvicorn.Server, threading.Thread, socket.socket]] = []

    def start(site: Site) -> str:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await (site.intake.truth if scope["path"] == "/v1/truth" else site.intake.events)(scope, receive, send)

        listener = socket.create_server(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        running.append((server, thread, listener))
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    yield start
    for server, thread, listener in running:
        server.should_exit = True
        thread.join(10)
        listener.close()
