"""A real Alertmanager, where one is installed: fixtures for tests of several areas."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

PROGRAM = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
PATIENCE = 20.0  # seconds for its start


class Alertmanager:
    def __init__(self, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.url = f"http://127.0.0.1:{free.getsockname()[1]}"
        (folder / "am.yml").write_text("route: {receiver: nobody}\nreceivers: [{name: nobody}]\n")
        self._log = (folder / "log").open("w")
        self._process = subprocess.Popen(
            [
                str(PROGRAM),
                f"--config.file={folder / 'am.yml'}",
                f"--storage.path={folder / 'data'}",
                f"--web.listen-address={self.url.removeprefix('http://')}",
                "--cluster.listen-address=",
            ],
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )

    def wait(self) -> None:
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            try:
                urllib.request.urlopen(self.url + "/-/ready", timeout=1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise AssertionError("Alertmanager did not start")

    def alerts(self) -> list[dict[str, Any]]:
        with urllib.request.urlopen(self.url + "/api/v2/alerts", timeout=5) as answer:
            return json.load(answer)  # type: ignore[no-any-return]

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(10)
        self._log.close()


@pytest.fixture
def alertmanager(tmp_path: Path) -> Iterator[Alertmanager]:
    if PROGRAM is None:
        pytest.skip("there is no Alertmanager on this machine")
    folder = tmp_path / "alertmanager"
    folder.mkdir()
    server = Alertmanager(folder)
    try:
        server.wait()
        yield server
    finally:
        server.close()
