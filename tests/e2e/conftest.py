"""Whole daemons for the tests of this folder. Each is stopped by its process id and must leave nobody behind."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from e2e_story import tell
from live_daemon import LiveDaemon, Target

PACK = Path(__file__).with_name("pack")
SETTINGS = """
[notices]
group_wait = "1s"

[receivers.pager]
url_env = "PAGER_URL"

[[routes]]
receivers = ["pager"]
match = {rule = "NegativeAmounts"}
"""


@pytest.fixture(scope="session")
def target() -> Iterator[Target]:
    """Where $OVERLOOP_NOTIFY leads."""
    server = Target()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def daemon(target: Target, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveDaemon]:
    """Two processes, the pack of this folder, one receiver that works and one that nobody listens at."""
    home = tmp_path_factory.mktemp("e2e") / "home"
    home.mkdir(mode=0o700)
    (home / "overloop.toml").write_text(SETTINGS)
    environ = {"OVERLOOP_NOTIFY": target.url, "PAGER_URL": "json://127.0.0.1:1/closed"}
    running = LiveDaemon(home, [PACK / "forms", PACK / "silence"], environ).start()
    yield running
    assert running.stop() == 0, running.log()


@dataclass(frozen=True)
class Story:
    """The audit log's head before anything happened, as `overloop audit head` prints it."""

    head: str


@pytest.fixture(scope="session")
def story(daemon: LiveDaemon) -> Story:
    """Every form of rule has had the traffic that trips it."""
    head = daemon.cli("audit", "head").stdout.strip()
    tell(daemon)
    return Story(head)
