"""Metrics: names, bounds, the engine's way to the front; checked by Prometheus's own tool."""

from __future__ import annotations

import math
import os
import re
import subprocess
import threading
from functools import partial
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from monitor.telemetry.engine import IDLE, EngineMetrics
from monitor.telemetry.front import FrontMetrics
from monitor.telemetry.registry import LIMIT, Labelled, Registry
from monitor.telemetry.share import STALE, SharedExposition, read_all

ACCOUNTING = {
    "received": 12,
    "accepted": 10,
    "rejected": 1,
    "duplicates": 1,
    "observed": 7,
    "waiting": 2,
    "quarantined": 1,
    "refused": 3,
    "dedup_since": 1.0,
    "audit_records": 44,
}


def samples(text: bytes) -> dict[str, float]:
    """`name{label=value,...}` -> value, labels in alphabetical order."""
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            key = f"{sample.name}{{{labels}}}" if labels else sample.name
            assert key not in found, f"{key} is shown twice"
            found[key] = sample.value
    return found


@pytest.fixture
def engine() -> EngineMetrics:
    """An engine that has had an incident."""
    metrics = EngineMetrics(receivers=["oncall"])
    metrics.pump.step(0.02, 500, 1000.0, {"fraud-eu": 999.0})
    metrics.pump.finding("card-fraud/ScoreShift")
    metrics.pump.evaluated(12, 0.001, 1000.0)
    metrics.pump.series_seen("card-fraud/ScoreShift", 3)
    metrics.pump.bank(1 << 20, 1 << 30, refused=2, disabled=1)
    metrics.pump.snapshot(0.1, 1000.0)
    metrics.pump.quarantined(1)
    metrics.pump.tick_missed()
    metrics.alerts.now({"firing": 1}, unacknowledged=1)
    metrics.alerts.series([("card-fraud/ScoreShift", "fraud-eu", "high", "firing")])
    metrics.alerts.fired("card-fraud/ScoreShift")
    metrics.alerts.silences(pending=0, active=1, expired=2)
    metrics.notices.attempt("apprise", "oncall", "delivered", 0.3)
    metrics.notices.attempt("apprise", "oncall", "retry", 4.0, "rateLimited")
    metrics.notices.attempt("apprise", "oncall", "dead", 4.0, "a new kind of failure")
    metrics.notices.attempt("apprise", "oncall", "unknown", 30.0, "timeout")
    metrics.notices.suppressed("silenced")
    metrics.notices.outbox(2, 990.0)
    metrics.house.reloaded(True, 900.0, "00000000000f" + "0" * 52)
    metrics.house.audit_verified(True, 950.0)
    metrics.house.audit_write_failed()
    metrics.house.job("retention", "done")
    metrics.house.heartbeat(999.0)
    metrics.house.clock_jump(-90.0)
    return metrics


@pytest.fixture
def front(engine: EngineMetrics) -> FrontMetrics:
    metrics = FrontMetrics(lambda: ACCOUNTING, lambda: (engine.exposition(), True), reasons=["no id"])
    metrics.received("http", 12)
    metrics.invalid("no id")
    metrics.dropped("full", 3)
    metrics.queue(2, 1024)
    metrics.answered("/v1/events", 202, 0.004)
    metrics.acknowledged(42.0)
    metrics.override("reverse")
    metrics.feedback("card-fraud/ScoreShift", "real")
    return metrics


def test_one_page_shows_what_both_processes_counted(front: FrontMetrics) -> None:
    text, kind = front.exposition("application/openmetrics-text")
    assert kind == "text/plain; version=0.0.4; charset=utf-8"
    seen = samples(text)
    expected = {
        "overloop_events_received_total{source=http}": 12,
        "overloop_events_received_total{source=file}": 0,
        "overloop_events_invalid_total{reason=no id}": 1,
        "overloop_events_dropped_total{reason=full}": 3,
        "overloop_ingest_queue_length": 2,
        "overloop_ingest_queue_capacity": 1024,
        "overloop_http_request_duration_seconds_count{code=202,route=/v1/events}": 1,
        "overloop_alert_ack_duration_seconds_bucket{le=60.0}": 1,
        "overloop_overrides_total{kind=reverse}": 1,
        "overloop_overrides_total{kind=override}": 0,
        "overloop_alert_feedback_total{reason=real,rule=card-fraud/ScoreShift}": 1,
        "overloop_accounted_events{state=waiting}": 2,
        "overloop_posts_refused_total": 3,
        "overloop_audit_records_total": 44,
        "overloop_engine_up": 1,
        "overloop_events_observed_total": 500,
        "overloop_last_event_timestamp_seconds{model=fraud-eu}": 999,
        "overloop_rule_evaluations_total": 12,
        "overloop_rule_last_evaluation_series_fetched{rule=card-fraud/ScoreShift}": 3,
        "overloop_alerts{state=firing}": 1,
        "overloop_alerts{state=pending}": 0,
        "overloop_alerts_fired_total{rule=card-fraud/ScoreShift}": 1,
        "overloop_alerts_unacknowledged": 1,
        "ALERTS{alertname=card-fraud/ScoreShift,alertstate=firing,model=fraud-eu,severity=high}": 1,
        "overloop_silences{state=expired}": 2,
        "overloop_notifications_total{integration=apprise,receiver=oncall}": 4,
        "overloop_notifications_failed_total{integration=apprise,reason=rateLimited,receiver=oncall}": 1,
        "overloop_notifications_failed_total{integration=apprise,reason=other,receiver=oncall}": 1,
        "overloop_notifications_failed_total{integration=apprise,reason=timeout,receiver=oncall}": 0,
        "overloop_notifications_unknown_total{integration=apprise,receiver=oncall}": 1,
        "overloop_notifications_suppressed_total{reason=silenced}": 1,
        "overloop_notification_latency_seconds_count{integration=apprise}": 4,
        "overloop_outbox_pending": 2,
        "overloop_outbox_oldest_pending_timestamp_seconds": 990,
        "overloop_config_last_reload_successful": 1,
        "overloop_config_last_reload_success_timestamp_seconds": 900,
        "overloop_config_hash": 15,
        "overloop_audit_last_verify_successful": 1,
        "overloop_audit_write_failures_total": 1,
        "overloop_jobs_total{job=retention,outcome=done}": 1,
        "overloop_heartbeat_last_success_timestamp_seconds": 999,
        "overloop_clock_jump_seconds": -90,
        "overloop_bank_refused_series_total": 2,
    }
    assert {name: seen.get(name) for name in expected} == expected
    assert [name for name in seen if name.startswith("overloop_build_info{")]
    assert not [name for name in seen if "_created" in name]


def test_every_name_has_the_prefix_but_those_that_tools_expect(front: FrontMetrics) -> None:
    names = set(re.findall(rb"^# TYPE (\S+)", front.exposition()[0], re.MULTILINE))
    assert all(name.startswith((b"overloop_", b"process_")) or name == b"ALERTS" for name in names)


@pytest.mark.prometheus
def test_prometheus_own_check_has_nothing_to_say(front: FrontMetrics, promtool: str) -> None:
    done = subprocess.run([promtool, "check", "metrics"], input=front.exposition()[0], capture_output=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")


def test_a_moment_that_never_came_is_not_1970() -> None:
    seen = samples(EngineMetrics().exposition())
    moments = {name: value for name, value in seen.items() if "_timestamp_seconds" in name}
    assert len(moments) >= 6
    assert all(math.isnan(value) for value in moments.values())


def test_a_refused_reload_leaves_the_time_of_the_last_good_one(engine: EngineMetrics) -> None:
    engine.house.reloaded(False, 2000.0, "00000000000f" + "0" * 52)
    seen = samples(engine.exposition())
    assert seen["overloop_config_last_reload_successful"] == 0
    assert seen["overloop_config_last_reload_success_timestamp_seconds"] == 900


def test_an_audit_log_found_broken_is_told(engine: EngineMetrics) -> None:
    engine.house.audit_verified(False, 2000.0)
    seen = samples(engine.exposition())
    assert seen["overloop_audit_last_verify_successful"] == 0
    assert seen["overloop_audit_last_verify_success_timestamp_seconds"] == 950


def test_labels_are_bounded_and_the_rest_is_counted_together() -> None:
    registry = Registry()
    children = Labelled(registry.counter("things", "Things.", ["kind"]), limit=3)
    for number in range(10):
        children(f"kind {number}").inc()
    children("kind 0").inc()
    seen = samples(registry.exposition())
    assert seen == {
        "overloop_things_total{kind=kind 0}": 2,
        "overloop_things_total{kind=kind 1}": 1,
        "overloop_things_total{kind=kind 2}": 1,
        "overloop_things_total{kind=other}": 7,
    }


def test_a_million_models_do_not_make_a_million_series(engine: EngineMetrics) -> None:
    engine.pump.step(0.1, 1, 1.0, {f"model-{number}": 1.0 for number in range(LIMIT * 2)})
    engine.alerts.series((f"rule {number}", "m", "low", "firing") for number in range(LIMIT * 2))
    names = list(samples(engine.exposition()))
    assert sum(name.startswith("overloop_last_event_timestamp_seconds") for name in names) == LIMIT + 1
    assert sum(name.startswith("ALERTS{") for name in names) == LIMIT


def test_threads_count_together(engine: EngineMetrics) -> None:
    def count() -> None:
        for _ in range(500):
            engine.alerts.fired("a")

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert samples(engine.exposition())["overloop_alerts_fired_total{rule=a}"] == 2000


# -- the engine's way to the front --------------------------------------------------------------------------------


def test_the_engine_writes_once_a_second_while_something_changes(engine: EngineMetrics) -> None:
    written: list[bytes] = []
    assert engine.publish(written.append, monotonic=100.0)
    engine.notices.outbox(3, 990.0)
    assert not engine.publish(written.append, monotonic=100.5)
    assert engine.publish(written.append, monotonic=101.0)
    assert not engine.publish(written.append, monotonic=102.0), "nothing changed"
    assert engine.publish(written.append, monotonic=101.0 + IDLE)
    assert b"overloop_outbox_pending 3.0" in written[1]


def test_the_front_shows_what_the_engine_left_and_says_when_it_is_silent(tmp_path: Path, engine: EngineMetrics) -> None:
    shared = SharedExposition(tmp_path / "engine.metrics")
    front = FrontMetrics(engines=partial(read_all, [tmp_path / "engine.metrics"]))
    assert samples(front.exposition()[0])["overloop_engine_up"] == 0
    shared.write(engine.exposition())
    seen = samples(front.exposition()[0])
    assert (seen["overloop_engine_up"], seen["overloop_events_observed_total"]) == (1, 500)
    old = (tmp_path / "engine.metrics").stat().st_mtime - STALE
    os.utime(tmp_path / "engine.metrics", (old, old))
    seen = samples(front.exposition()[0])
    assert seen["overloop_engine_up"] == 0
    assert "overloop_events_observed_total" not in seen, "numbers of a dead engine would look alive"


def test_a_folder_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    shared = SharedExposition(tmp_path / "nowhere" / "engine.metrics")
    shared.write(b"x")
    assert shared.read() is None


# -- several engines ------------------------------------------------------------------------------------------------


def test_the_numbers_of_several_engines_stand_side_by_side_and_add_up(tmp_path: Path) -> None:
    paths = [tmp_path / "engine.prom", tmp_path / "engine-1.prom"]
    for number, path in enumerate(paths):
        one = EngineMetrics({"phone": "webhook"}, first=number == 0)
        one.pump.step(0.2, 500 + number, 1000.0, {f"m{number}": 990.0, 'odd "{}, \n': 991.0})
        SharedExposition(path).write(one.exposition())
    text = FrontMetrics(engines=partial(read_all, paths)).exposition()[0]
    seen = samples(text)
    assert seen["overloop_engine_up"] == 1
    assert [seen[f"overloop_events_observed_total{{engine={number}}}"] for number in (0, 1)] == [500, 501]
    assert seen["overloop_last_event_timestamp_seconds{engine=1,model=m1}"] == 990
    assert seen['overloop_last_event_timestamp_seconds{engine=0,model=odd "{}, \n}'] == 991
    assert (
        sum(v for k, v in seen.items() if k.startswith("overloop_step_duration_seconds_bucket{engine=1,le=0.25")) == 1
    )
    assert len(re.findall(rb"^# TYPE overloop_events_observed_total", text, re.MULTILINE)) == 1
    assert {"overloop_clock_jump_seconds{engine=0}", "overloop_outbox_pending{engine=0}"} < seen.keys()
    assert not {"overloop_clock_jump_seconds{engine=1}", "overloop_outbox_pending{engine=1}"} & seen.keys()
    heads = re.findall(rb"^# HELP (\S+)", text, re.MULTILINE)
    assert len(heads) == len(set(heads)), "a family is written in two places"


def test_one_engine_of_several_that_is_silent_is_told(tmp_path: Path, engine: EngineMetrics) -> None:
    paths = [tmp_path / "engine.prom", tmp_path / "engine-1.prom"]
    SharedExposition(paths[1]).write(engine.exposition())
    seen = samples(FrontMetrics(engines=partial(read_all, paths)).exposition()[0])
    assert seen["overloop_engine_up"] == 0 and seen["overloop_events_observed_total{engine=1}"] == 500
