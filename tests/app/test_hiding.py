"""Addresses of receivers and of the heartbeat are secrets: no error and no log line shows any telling part of them."""

from __future__ import annotations

import io
import logging
import socket
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
import structlog

from monitor.app.hiding import redactor
from monitor.app.housekeeping import HeartbeatError, jobs
from monitor.app.start import as_bound, bind, run
from monitor.settings import Settings, SettingsError
from monitor.settings.model import Heartbeat, Receiver
from monitor.telemetry.logs import FLOORS, configure_logging

SECRET = "s3cr3tPing9"
ENVIRON = {
    "PING": f"https://user-7:hunter2pass@hc.example/{SECRET}",
    "PHONE": f"slack://TokenA9/TokenB8/{SECRET}XYZ",
    "OVERLOOP_NOTIFY": "ntfys://ntfy.example/topic-5-of-ours",
}
SETTINGS = Settings(
    receivers={"phone": Receiver(url_env="PHONE"), "unset": Receiver(url_env="NOT_SET")},
    heartbeat=Heartbeat(url_env="PING"),
)


@pytest.mark.parametrize(
    "address",
    [
        f"hc.example/{SECRET}",
        f"ftp://hc.example/{SECRET}",
        f"https:///{SECRET}",
        f"https://hc.example:99999999/{SECRET}",
        f"https://hc.example/{SECRET} or so",
        f"https://[hc/{SECRET}",
        f"file:///{SECRET}",
    ],
)
def test_a_malformed_heartbeat_is_refused_at_the_start_without_being_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("PING", address)
    with pytest.raises(SettingsError, match="the heartbeat, which PING holds, is no web address") as refused:
        run(Settings(home=tmp_path / "home", listen="127.0.0.1:0", heartbeat=Heartbeat(url_env="PING")))
    assert SECRET not in str(refused.value) and not (tmp_path / "home").exists()


def test_a_heartbeat_that_fails_says_why_and_not_where(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("PING", f"http://127.0.0.1:{port}/{SECRET}")
    engine: Any = SimpleNamespace(settings=Settings(heartbeat=Heartbeat(url_env="PING")), database=SimpleNamespace())
    engine.database.checkpoint = lambda: None
    engine.keeper = SimpleNamespace(canary=SimpleNamespace(round=lambda: 0.1), desk=None)
    engine.policy = SimpleNamespace(receivers=())
    (job,) = [job for job in jobs(engine) if job.name == "heartbeat"]
    with pytest.raises(HeartbeatError, match=r"could not be fetched \(Connection refused\)") as failed:
        job.run()
    assert SECRET not in str(failed.value) and failed.value.__cause__ is None and str(port) not in str(failed.value)


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Where logs go meanwhile."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield io.StringIO()
    root.handlers, root.level = handlers, level
    logging.captureWarnings(False)
    structlog.reset_defaults()
    for name in FLOORS:
        logging.getLogger(name).setLevel(logging.NOTSET)


def test_logs_hide_addresses_whole_and_in_parts_and_no_common_words(stream: io.StringIO) -> None:
    configure_logging("json", "info", redactor(SETTINGS, ENVIRON), stream, {})
    log = structlog.get_logger("test")
    log.info(ENVIRON["PING"], action=ENVIRON["PHONE"])
    log.info(f"path /{SECRET} of {SECRET}XYZ", action="said", user="user-7", password="hunter2pass")
    log.info("topic-5-of-ours", action="said")
    assert not any(part in stream.getvalue() for part in (SECRET, "hunter2", "user-7", "TokenA9/TokenB8", "topic-5"))
    log.info("The receiver phone at hc.example was told of an incident.", action="delivered")
    assert "The receiver phone at hc.example was told of an incident." in stream.getvalue()


def test_a_port_that_the_system_chose_is_the_one_in_links(tmp_path: Path) -> None:
    asked = Settings(home=tmp_path, listen="127.0.0.1:0")
    with bind(asked) as listener:
        port = listener.getsockname()[1]
        assert as_bound(asked, listener).url == f"http://127.0.0.1:{port}" and port > 0
        assert as_bound(asked, listener).listen == f"127.0.0.1:{port}"
        public = msgspec.structs.replace(asked, public_url="https://overloop.example")
        assert as_bound(public, listener).url == "https://overloop.example"
    fixed = Settings(home=tmp_path, listen=f"127.0.0.1:{port}")
    with bind(fixed) as listener:
        assert as_bound(fixed, listener) is fixed
