"""The heartbeat is heard outside only when an event has gone from intake to courier; people see nothing of that event."""

from __future__ import annotations

import http.server
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from live_daemon import LiveDaemon, wait_until

PACK = Path(__file__).parents[1] / "cli" / "pack" / "shop"
SETTINGS = '[heartbeat]\nurl_env = "BEAT_URL"\nevery = "1s"\n'


class Outside(http.server.ThreadingHTTPServer):
    """Where the heartbeat is heard: when."""

    daemon_threads = True

    def __init__(self) -> None:
        self.beats: list[float] = []
        super().__init__(("127.0.0.1", 0), _Ear)
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()


class _Ear(http.server.BaseHTTPRequestHandler):
    server: Outside

    def do_GET(self) -> None:
        self.server.beats.append(time.monotonic())
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def outside() -> Iterator[Outside]:
    server = Outside()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def daemon(tmp_path: Path, outside: Outside) -> Iterator[LiveDaemon]:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    (home / "overloop.toml").write_text(SETTINGS)
    running = LiveDaemon(home, [PACK], {"BEAT_URL": f"http://127.0.0.1:{outside.server_port}/beat"}).start()
    yield running
    running.stop()


@pytest.mark.slow
def test_it_beats_once_an_event_has_come_round_and_keeps_silent_while_the_engine_stands_still(
    daemon: LiveDaemon, outside: Outside
) -> None:
    daemon.send({"id": f"a-{k}", "model": "shop-eu", "inputs": {"amount": 20.0}} for k in range(50))
    wait_until(lambda: len(outside.beats) >= 2, "the heartbeat is heard")
    engine = daemon.family()["engine"]
    said = daemon.get("/-/engine").json
    assert 0.0 < said["roundtrip"] < 30.0 and said["rounded_at"].endswith("Z")
    metrics = wait_until(
        lambda: [
            line
            for line in daemon.get("/metrics").body.decode().splitlines()
            if line.startswith("overloop_watchdog_roundtrip_seconds ") and not line.endswith("NaN")
        ],
        "the metric",
    )
    assert 0.0 < float(metrics[0].split()[1]) < 30.0
    found = daemon.settled()  # checks that the identities hold, too
    assert found["canary"] >= 2 and found["accepted"] == found["observed"] == found["received"] == 50
    assert [model["model"] for model in daemon.get("/v1/models").json["models"]] == ["shop-eu", "shop-never"]
    assert "overloop.canary" not in daemon.get("/metrics").body.decode()
    os.kill(engine, signal.SIGSTOP)
    try:
        time.sleep(1.5)  # a beat that was on its way may still arrive
        before = len(outside.beats)
        time.sleep(4.0)
        assert len(outside.beats) == before
    finally:
        os.kill(engine, signal.SIGCONT)
    wait_until(lambda: len(outside.beats) > before, "the heartbeat is heard again")
    daemon.stop(signal.SIGKILL)
    daemon.start()  # what went round is left out when the steps are run again
    after = daemon.settled()
    assert after["observed"] == 50 and after["canary"] >= found["canary"]
    assert daemon.cli("audit", "verify").returncode == 0
