"""What the engine does becomes numbers and log lines."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import structlog
from deciding import an_incident
from pumping import heard, said

from monitor.app.telling import Telling, tell_receivers
from monitor.clock import ScriptedClock
from monitor.core.changes import Changes, Entry
from monitor.core.findings import Evidence, Finding, Level, Observation
from monitor.core.step import BANK_FULL, Step
from monitor.delivery.apprise_sender import Senders
from monitor.runtime.pace import Done, Holding
from monitor.telemetry.engine import EngineMetrics

T0 = 1_700_000_000.0


class Room:
    def __init__(self) -> None:
        self.metrics, self.woken = EngineMetrics(), 0
        self.telling = Telling(self.metrics, self._wake, ScriptedClock(T0))

    def _wake(self) -> None:
        self.woken += 1

    def number(self, name: str) -> float:
        found = re.search(rf"^overloop_{name} (\S+)$", self.metrics.exposition().decode(), re.MULTILINE)
        assert found is not None, name
        return float(found[1])


def done(seq: int = 1, at: float = T0, **more: Any) -> Done:
    values: dict[str, Any] = {
        "step": Step(0, seq, 1, 0, 10, at, "b00c" * 16),
        "observation": Observation(),
        "changes": Changes(),
        "events": 10,
        "quarantined": 0,
        "seconds": 0.01,
        "deciding": 0.001,
        "last_events": {"m": at},
        "holding": None,
    }
    return Done(**{**values, **more})


def a_finding(rule: str, statistic: str) -> Finding:
    return Finding(rule, "m", None, Evidence("", "", statistic, None, None, None, None, 0, T0, "It stopped."))


def test_people_are_thought_of_only_when_something_was_decided() -> None:
    room = Room()
    room.telling.done(done())
    assert room.woken == 0 and room.number("events_observed_total") == 10
    room.telling.done(done(2, changes=Changes(entries=[Entry("gap", "machine", {})])))
    assert room.woken == 1 and room.number("events_observed_total") == 20


def test_a_detector_that_stops_is_counted_and_said() -> None:
    room = Room()
    with heard() as logs:
        room.telling.done(done(observation=Observation(findings=[a_finding("p/R", "detector_error")])))
    assert said(logs, "detector_disabled") == ["It stopped."]
    assert room.number("rule_evaluation_failures_total") == 1


def test_segments_that_a_rule_judged_are_counted_over_all_models() -> None:
    room, none = Room(), np.zeros(2)
    holds = np.zeros(2, dtype=np.uint8)
    levels = [
        Level("p/R", model, None, T0, "share", "x", ("a", "b"), holds, none, none, none, none.astype(np.int64))
        for model in ("m", "n")
    ]
    room.telling.done(done(observation=Observation(levels=levels)))
    assert room.number('rule_last_evaluation_series_fetched\\{rule="p/R"\\}') == 4


def test_a_bank_that_is_full_is_said_once_for_each_time_it_turned_something_away() -> None:
    room = Room()
    with heard() as logs:
        room.telling.done(done(holding=Holding(5_000, 10_000, 3, 0, 0)))
        full = Observation(findings=[a_finding(BANK_FULL, "not_watched")])
        room.telling.done(done(2, observation=full, holding=Holding(11_000, 10_000, 3, 1, 4)))
        room.telling.done(done(3, holding=Holding(9_000, 10_000, 3, 0, 4)))
    assert said(logs, "bank_full") == ["It stopped."]
    assert room.number("bank_refused_series_total") == 4
    assert (room.number("bank_bytes"), room.number("bank_limit_bytes")) == (9_000, 10_000)


def test_ticks_that_never_came_are_counted() -> None:
    room = Room()
    for seq, at in enumerate((0.0, 15.0, 30.0, 100.0), 1):
        room.telling.done(done(seq, T0 - T0 % 15 + at))
    assert room.number("rule_group_iterations_missed_total") == 3  # those at 45, 60 and 75


def test_what_the_ledger_holds_is_shown() -> None:
    room = Room()
    room.telling.ledger({"pending": 2, "retry": 1, "delivered": 7}, T0 - 5, {("open", "high"): 2, ("closed", "low"): 9})
    text = room.metrics.exposition().decode()
    assert re.search(r"^overloop_\w*outbox\w* 3\.0$", text, re.MULTILINE), text


def test_snapshots_are_timed() -> None:
    room = Room()
    room.telling.saved(0.5)
    assert room.number("snapshot_duration_seconds_count") == 1


def test_receivers_that_cannot_be_used_or_looked_at_are_told_apart() -> None:
    senders = Senders({}, {"mail": "It cannot be used."}, {"phone": "It could not be checked."})
    with heard() as logs:
        tell_receivers(senders)
    assert [(log["action"], log["log_level"], log["receiver"], log["event"]) for log in logs] == [
        ("receiver_unusable", "error", "mail", "It cannot be used."),
        ("receiver_unchecked", "warning", "phone", "It could not be checked."),
    ]


def test_an_incident_is_told_when_it_opens_and_not_with_each_piece_of_evidence() -> None:
    room = Room()
    incident = an_incident(opened_at=T0, changed_at=T0)
    with structlog.testing.capture_logs() as logs:
        for seq, at in enumerate((T0, T0 + 60.0, T0 + 120.0), 1):
            room.telling.done(done(seq, at, changes=Changes(incidents={incident.id: incident})))
        again = replace(incident, changed_at=T0 + 180.0, occurrence=2)
        room.telling.done(done(4, T0 + 180.0, changes=Changes(incidents={again.id: again})))
    assert [line["action"] for line in logs] == ["incident_open", "incident_open"]
    assert room.number(f'alerts_fired_total\\{{rule="{incident.key}"\\}}') == 2
