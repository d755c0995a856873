"""The shipped dashboard over a daemon that has had its share: each panel shows data, and the numbers are true."""

from __future__ import annotations

import itertools
import subprocess
import time
from collections.abc import Callable
from typing import Any

import pytest
from e2e_story import events
from live_daemon import Answer, LiveDaemon, wait_until
from prometheus_server import Prometheus, Scrape, dashboard_gaps

# What has happened by the time of these tests, and the series that must say so. `increase` needs no restart here, so
# plain values are compared.
TOLD = {
    "events were received": 'overloop_events_received_total{source="http"} > 3000',
    "a line was rejected, with its reason": "sum(overloop_events_invalid_total) > 0",
    "a post was refused": "overloop_posts_refused_total > 0",
    "events were observed": "overloop_events_observed_total > 3000",
    "posts may wait": "overloop_ingest_queue_capacity > 0",
    "requests were answered": 'sum(overloop_http_request_duration_seconds_count{route="/v1/events"}) > 0',
    "an incident was opened": 'overloop_alerts_fired_total{rule="forms/SensorShift"} > 0',
    "incidents stand open": 'overloop_alerts{state="firing"} > 0',
    "one is acknowledged": 'overloop_alerts{state="acknowledged"} > 0',
    "alerts as Prometheus knows them": 'ALERTS{alertstate="firing", model="e2e-compare"} == 1',
    "acknowledging took time": "overloop_alert_ack_duration_seconds_count > 0",
    "a verdict was given": 'overloop_alert_feedback_total{reason="real"} > 0',
    "an answer was set aside": 'overloop_overrides_total{kind="not_use"} > 0',
    "a silence is active": 'overloop_silences{state="active"} > 0',
    "a message was delivered": 'overloop_notifications_total{receiver="notify"} > 0',
    "another was not": 'overloop_notifications_failed_total{receiver="pager", reason="connection"} > 0',
    "and is still owed": "overloop_outbox_pending > 0",
    "detectors take memory": "overloop_bank_bytes > 0",
    "the rules were taken": "overloop_config_last_reload_successful == 1",
    "which ones": "overloop_config_hash > 0",
    "when": "time() - overloop_config_last_reload_success_timestamp_seconds < 3600",
    "the audit log was checked": "overloop_audit_last_verify_successful == 1",
    "the audit log has grown": "overloop_audit_records_total > 10",
    "steps were taken": "overloop_step_duration_seconds_count > 0",
    "models have last events": 'time() - overloop_last_event_timestamp_seconds{model="e2e-shift"} < 3600',
}


@pytest.fixture
def busy(daemon: LiveDaemon, story: Any) -> Callable[[], None]:
    """A daemon with incidents, deliveries and failures; each call adds to everything a person or service can do."""
    incident = daemon.incident("SlowAnswers", "e2e-measure")["id"]
    daemon.incident("NegativeAmounts", "e2e-count")
    silence = {"matchers": [{"name": "model", "value": "no-such-model"}], "reason": "test", "for_seconds": 600}
    ok(daemon.post("/v1/silences", silence))
    rounds = itertools.count()

    def more() -> None:
        number = next(rounds)
        good = events("e2e-measure", 20, lambda k: {"output": {}, "context": {"latency_ms": 900}}, f"busy{number}")
        daemon.send(good)
        daemon.post("/v1/events", b'{"id": "no model"}')
        daemon.post("/v1/events", b"not gzip", Content_Encoding="gzip")
        ok(daemon.post(f"/v1/incidents/{incident}/acknowledge", {}))
        ok(daemon.post(f"/v1/incidents/{incident}/verdict", {"verdict": "real"}))
        answer = {"model": "e2e-measure", "decision_id": f"busy{number}-1", "verb": "not_use", "reason": "test"}
        ok(daemon.post("/v1/overrides", answer))

    return more


def ok(answer: Answer) -> None:
    assert answer.status < 300, answer.body


@pytest.mark.prometheus
def test_every_panel_shows_data_and_true_numbers(
    daemon: LiveDaemon, busy: Callable[[], None], scraping: Scrape
) -> None:
    prometheus = scraping(f"{daemon.url}/metrics", token=daemon.token)
    wait_until(lambda: prometheus.query("overloop_build_info"), "the first scrape")
    end = time.monotonic() + 15.0
    while (gaps := dashboard_gaps(prometheus, 1.0)) and time.monotonic() < end:
        busy()
    problems = gaps + untrue(prometheus)
    assert not problems, "\n".join(problems)


def untrue(prometheus: Prometheus) -> list[str]:
    """What has happened and no series says."""
    missing = set(prometheus.without_data(list(TOLD.values()), 3.0))
    return [f"{what}: {expression}" for what, expression in TOLD.items() if expression in missing]


@pytest.mark.prometheus
def test_promtool_finds_nothing_to_say_of_the_metrics(
    daemon: LiveDaemon, busy: Callable[[], None], promtool: str
) -> None:
    busy()
    found = wait_until(lambda: _exposed(daemon), "the engine's numbers are there", 20.0)
    done = subprocess.run([promtool, "check", "metrics"], input=found, capture_output=True, timeout=30, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr).decode()
    assert done.stdout + done.stderr == b""


def _exposed(daemon: LiveDaemon) -> bytes:
    body = daemon.get("/metrics").body
    return body if b"overloop_notifications_failed_total{" in body else b""
