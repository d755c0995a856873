"""One daemon for this folder, and `overloop` as it is typed, in this process: a process each would take too long."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from live_daemon import LiveDaemon
from typer.testing import CliRunner, Result

from monitor.cli.root import app

PACK = Path(__file__).with_name("pack") / "shop"
Overloop = Callable[..., Result]


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of the environment these tests run in; the state folder of nobody."""
    for name in ("HOME", "URL", "TOKEN", "CONFIG", "NOTIFY", "RULES", "LISTEN"):
        monkeypatch.delenv(f"OVERLOOP_{name}", raising=False)
    for name in ("STATE_DIRECTORY", "CONFIGURATION_DIRECTORY", "CREDENTIALS_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("COLUMNS", "80")


@pytest.fixture
def overloop() -> Overloop:
    """Type `overloop …`; what goes wrong beyond an exit code goes on."""

    def type_(*words: object, **environ: str) -> Result:
        done = CliRunner().invoke(app, [str(word) for word in words], env=environ)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done

    return type_


@pytest.fixture(scope="session")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveDaemon]:
    """A daemon of one process whose model `shop-eu` has an open incident of `shop/NegativeAmounts`."""
    folder = tmp_path_factory.mktemp("cli")
    shutil.copytree(PACK, folder / "packs" / "shop")
    running = LiveDaemon(folder / "home", [folder / "packs"])
    running.command.append("--single")
    try:
        running.start()
        amounts = [20.0 + k % 5 for k in range(395)] + [-5.0] * 5
        running.send({"id": f"a-{k}", "model": "shop-eu", "inputs": {"amount": x}} for k, x in enumerate(amounts))
        running.incident("NegativeAmounts", "shop-eu")
        yield running
        assert running.stop() == 0, running.log()
    finally:
        running.stop()


@pytest.fixture
def at(daemon: LiveDaemon, overloop: Overloop) -> Overloop:
    """Type `overloop …` to that daemon, found by its home folder."""
    return lambda *words, **environ: overloop(*words, **{"OVERLOOP_HOME": str(daemon.home), **environ})


@pytest.fixture
def incident(daemon: LiveDaemon) -> str:
    """The id of the incident of `shop-eu`, to look at."""
    found: str = daemon.incident("NegativeAmounts", "shop-eu")["id"]
    return found


@pytest.fixture
def fresh_model(daemon: LiveDaemon, request: pytest.FixtureRequest) -> str:
    """A model that only this test knows, with an open incident."""
    model = f"shop-{sha256(request.node.name.encode()).hexdigest()[:8]}"
    daemon.send({"id": str(k), "model": model, "inputs": {"amount": -5.0}} for k in range(5))
    daemon.incident("NegativeAmounts", model)
    return model


@pytest.fixture
def fresh(daemon: LiveDaemon, fresh_model: str) -> str:
    """The id of the incident of `fresh_model`, to act on."""
    found: str = daemon.incident("NegativeAmounts", fresh_model)["id"]
    return found


@pytest.fixture
def stranger() -> Iterator[Callable[..., str]]:
    """An address where something else than the daemon answers: always what it was told to."""
    servers: list[ThreadingHTTPServer] = []

    def serve(status: int, kind: str, body: bytes) -> str:
        class Answers(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        server.daemon_threads = True
        servers.append(server)
        Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()
