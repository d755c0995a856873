"""The dashboard: every query names metrics that exist, and a real Prometheus has data for each panel."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from prometheus_server import DASHBOARD, Scrape, dashboard_gaps, dashboard_queries

from monitor.telemetry.engine import EngineMetrics
from monitor.telemetry.front import FrontMetrics

RULE = "card-fraud/ScoreShift"


class Busy:
    """A daemon's metrics as they are after an incident, a little more at each look."""

    def __init__(self) -> None:
        self.engine = EngineMetrics(["oncall"])
        self.observed = 0
        numbers = {"waiting": 3, "refused": 2, "audit_records": 9}
        self.front = FrontMetrics(
            lambda: {**numbers, "observed": self.observed}, lambda: (self.engine.exposition(), True)
        )

    def look(self) -> bytes:
        self.observed += 100
        self.front.received("http", 100)
        self.front.answered("/v1/events", 202, 0.003)
        self.front.acknowledged(42.0)
        self.front.feedback(RULE, "real")
        self.engine.pump.step(0.01, 100, 1000.0, {"fraud-eu": 1000.0})
        self.engine.pump.finding(RULE)
        self.engine.alerts.fired(RULE)
        self.engine.notices.attempt("apprise", "oncall", "delivered", 0.2)
        self.engine.house.job("retention", "done")
        self.engine.house.audit_verified(True, 1000.0)
        return self.front.exposition()[0]


@pytest.fixture
def daemon() -> Iterator[str]:
    """The address of a page of metrics that asks for a token."""
    busy = Busy()

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.headers.get("Authorization") == "Bearer t0ken"
            body = busy.look() if known else b""
            self.send_response(200 if known else 401)
            self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/metrics"
        server.shutdown()
        thread.join()


def test_every_query_names_metrics_that_the_daemon_has() -> None:
    text = Busy().look().decode()
    shown = set(re.findall(r"^([a-zA-Z_:][\w:]*)", text, re.MULTILINE))
    queried = {name for q in dashboard_queries().values() for name in re.findall(r"\b(?:overloop|process)_\w+", q)}
    assert len(queried) > 20
    assert queried - shown == set()


def test_every_panel_says_what_it_shows() -> None:
    panels = [panel for panel in json.loads(DASHBOARD.read_text())["panels"] if panel["type"] != "row"]
    assert all(panel["title"] and panel["description"] and panel["targets"] for panel in panels)
    assert len({panel["id"] for panel in panels}) == len(panels)


@pytest.mark.prometheus
def test_a_real_prometheus_has_data_for_every_panel(daemon: str, scraping: Scrape) -> None:
    prometheus = scraping(daemon, token="t0ken")
    assert dashboard_gaps(prometheus) == []
    assert prometheus.without_data(["overloop_no_such_metric"], timeout=0.1) == ["overloop_no_such_metric"]
