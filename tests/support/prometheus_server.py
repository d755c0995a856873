"""A real Prometheus that scrapes one address, and the queries of the dashboard to put to it."""

from __future__ import annotations

import json
import math
import re
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

DASHBOARD = Path(__file__).resolve().parents[2] / "grafana" / "overloop.json"


class Prometheus:
    """A running server; `url` is its address."""

    def __init__(self, url: str) -> None:
        self.url = url

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The instant vector of an expression: [{"metric": {...}, "value": [at, "1"]}]."""
        with urllib.request.urlopen(
            f"{self.url}/api/v1/query?{urllib.parse.urlencode({'query': expression})}"
        ) as answer:
            found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
            return found

    def without_data(self, expressions: list[str], timeout: float = 30.0) -> list[str]:
        """Those expressions that have still no number to show after `timeout` seconds."""
        missing, end = list(expressions), time.monotonic() + timeout
        while missing and time.monotonic() < end:
            missing = [each for each in missing if not self._has_data(each)]
            time.sleep(0.2 if missing else 0.0)
        return missing

    def _has_data(self, expression: str) -> bool:
        return any(not math.isnan(float(sample["value"][1])) for sample in self.query(expression))


Scrape = Callable[..., Prometheus]


@pytest.fixture
def scraping(prometheus_binary: str, tmp_path: Path) -> Iterator[Scrape]:
    """`scraping(url, token=None)` starts a Prometheus that reads `url` every second until the test ends."""
    running: list[subprocess.Popen[bytes]] = []

    def start(url: str, token: str | None = None) -> Prometheus:
        (tmp_path / "prometheus.json").write_text(json.dumps(_configuration(url, token)))  # JSON is YAML
        address = f"127.0.0.1:{_free_port()}"
        command = [prometheus_binary, "--config.file=prometheus.json", "--storage.tsdb.path=prometheus"]
        with (tmp_path / "prometheus.log").open("wb") as log:
            process = subprocess.Popen([*command, f"--web.listen-address={address}"], cwd=tmp_path, stderr=log)
        running.append(process)
        _wait_until_ready(f"http://{address}", process, tmp_path / "prometheus.log")
        return Prometheus(f"http://{address}")

    yield start
    for process in running:
        process.kill()
        process.wait()


def dashboard_queries() -> dict[str, str]:
    """Every query of the dashboard, by its panel's title and letter, with Grafana's variables filled in."""
    panels = json.loads(DASHBOARD.read_text())["panels"]
    return {
        f"{panel['title']} / {target['refId']}": re.sub(r"\$__(rate_interval|range)", "20s", target["expr"])
        for panel in panels
        for target in panel.get("targets", ())
    }


def dashboard_gaps(prometheus: Prometheus, timeout: float = 30.0) -> list[str]:
    """The panels' queries that return nothing, by title; none if the dashboard is sound and there was an incident."""
    queries = dashboard_queries()
    missing = set(prometheus.without_data(list(queries.values()), timeout))
    return [f"{title}: {expression}" for title, expression in queries.items() if expression in missing]


def _configuration(url: str, token: str | None) -> dict[str, Any]:
    parts = urllib.parse.urlsplit(url)
    job: dict[str, Any] = {
        "job_name": "overloop",
        "scheme": parts.scheme,
        "metrics_path": parts.path,
        "static_configs": [{"targets": [parts.netloc]}],
    }
    if token:
        job["authorization"] = {"credentials": token}
    return {"global": {"scrape_interval": "1s", "scrape_timeout": "1s"}, "scrape_configs": [job]}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 30.0
    while time.monotonic() < end and process.poll() is None:
        try:
            urllib.request.urlopen(f"{url}/-/ready").close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    pytest.fail(f"Prometheus did not start: {log.read_text()[-2000:]}", pytrace=False)
