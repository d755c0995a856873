"""The oversight report: figures by hand, and no claim that the record does not bear."""

from __future__ import annotations

import json
from typing import Any

import pytest
from scipy.stats import binomtest

from monitor.core.oversight.report import Facts, make_report
from monitor.core.oversight.report.facts import quantile, share
from monitor.core.times import rfc3339
from monitor.runtime.oversight_report import crosswalks

START, STOP = 1_760_000_000.0, 1_760_000_000.0 + 7 * 86_400


def incident(n: int, **given: Any) -> dict[str, Any]:
    base = {
        "opened_at": rfc3339(START + n * 3600),
        "acknowledged_at": None,
        "acknowledged_by": None,
        "pack": "p",
        "rule": "R",
        "severity": "high",
        "stage": "live",
        "historical": False,
        "state": "open",
        "summary": "It moved.",
        "verdict": None,
        "notices": [{"state": "delivered"}],
        "evidence": [{"column": "output.score", "segment": "inputs.sex=f", "value": 0.7, "n": 40}],
    }
    return {**base, **given}


def facts(**given: Any) -> Facts:
    base: dict[str, Any] = {
        "model": "m",
        "start": START,
        "stop": STOP,
        "made_at": STOP,
        "integrity": {"code": 0, "says": "It is intact.", "size": 9, "root": "ab", "signed": 3},
        "entries": [],
        "incidents": [],
        "overrides": [],
        "rules": [{"rule": "p/R", "form": "share", "severity": "high", "stage": "live", "gate": "halt"}],
        "fallbacks": {"p": "rule baseline"},
        "false_pages": 1.0,
        "users": [{"name": "kim", "role": "supervisor"}],
        "seen": {"first_seen": rfc3339(START - 100), "events": 1000},
        "watched_until": STOP,
    }
    return Facts(**{**base, **given})


def section(made: dict[str, Any], id_: str) -> dict[str, Any]:
    return next(one for one in made["sections"] if one["id"] == id_)


def figure(made: dict[str, Any], id_: str, name: str) -> dict[str, Any]:
    return next(one for one in section(made, id_)["figures"] if one["name"] == name)


def entry(kind: str, actor: str = "kim", **body: Any) -> dict[str, Any]:
    return {"kind": kind, "actor": actor, "at": rfc3339(START), "body": body}


def test_shares_have_exact_intervals() -> None:
    for k, n in ((0, 5), (3, 5), (5, 5), (36, 40), (1, 1200)):
        found, exact = share("x", k, n), binomtest(k, n).proportion_ci(0.95, "exact")
        assert found.interval == pytest.approx((exact.low, exact.high), abs=1e-9) and found.value == k / n
    assert share("x", 0, 0).value is None and share("x", 0, 0).interval is None
    assert quantile([], 0.5) is None and quantile([3, 1, 2, 4], 0.5) == 2 and quantile([3, 1, 2, 4], 0.95) == 4


def test_an_empty_record_claims_nothing() -> None:
    bare = facts(rules=[], fallbacks={}, users=[], seen=None, watched_until=0.0)
    made = make_report(bare, crosswalks())
    statuses = {one["id"]: one["status"] for one in made["sections"]}
    assert [id_ for id_, status in statuses.items() if status == "evidence present"] == ["integrity"]
    assert statuses["response"] == "not applicable" and statuses["stopping"] == "absent"
    assert json.loads(json.dumps(made)) == json.loads(json.dumps(made)), "plain data"
    words = json.dumps(made).lower()
    assert "compliant" not in words and "certified" not in words
    assert all(one["not_shown"] for one in made["sections"])


def test_pages_are_counted_judged_and_timed() -> None:
    found = [
        incident(1, acknowledged_at=rfc3339(START + 3600 + 130), acknowledged_by="kim", verdict="real"),
        incident(2, acknowledged_at=rfc3339(START + 7200 + 570), verdict="false"),
        incident(3, verdict="unclear", notices=[{"state": "dead"}]),
        incident(4, severity="low"),
        incident(5, stage="shadow"),
        incident(6, historical=True),
    ]
    made = make_report(facts(incidents=found), [])
    assert figure(made, "alerts", "pages")["value"] == 3
    precision = figure(made, "alerts", "pages that were real")
    assert (precision["k"], precision["n"]) == (1, 2)
    assert section(made, "alerts")["status"] == "partial", "one was never judged real or false"
    assert figure(made, "response", "seconds to acknowledge, median")["value"] == 130
    assert figure(made, "response", "seconds to acknowledge, 95 %")["value"] == 570
    acknowledged = figure(made, "response", "acknowledged")
    assert (acknowledged["k"], acknowledged["n"]) == (2, 3) and section(made, "response")["status"] == "partial"
    assert "1 given up" in section(made, "response")["says"][1]


def test_time_nobody_watched_is_counted_once_and_within_the_period() -> None:
    entries = [
        entry("gap", "machine", **{"from": START - 500, "to": START + 100}),
        entry("gap", "machine", **{"from": START + 50, "to": START + 200, "losses": ["5 events are gone."]}),
        entry("gap", "machine", **{"from": START + 1000, "to": START + 1100}),
    ]
    made = make_report(facts(entries=entries), [])
    assert figure(made, "coverage", "blind seconds")["value"] == 300
    assert figure(made, "coverage", "gaps")["value"] == 2
    assert (
        section(made, "coverage")["status"] == "partial"
        and "Lost: 5 events are gone." in section(made, "coverage")["says"]
    )
    stopped = make_report(facts(watched_until=STOP - 86_400), [])
    assert figure(stopped, "coverage", "blind seconds")["value"] == 86_400, "the daemon is not running now"
    fresh = make_report(facts(seen={"first_seen": rfc3339(STOP - 1000), "events": 5}, entries=entries), [])
    assert figure(fresh, "coverage", "blind seconds")["value"] == 0, "before the model was first seen"
    assert "first seen" in section(fresh, "coverage")["says"][1]


def test_gates_are_told_with_who_loosened_them() -> None:
    entries = [
        entry("gate_set", "machine", scope="m", **{"from": "auto", "to": "halt"}, reason="it drifts"),
        entry("gate_set", "kim", scope="m", **{"from": "halt", "to": "auto"}, reason="mended"),
    ]
    made = make_report(facts(entries=entries), [])
    says = section(made, "stopping")["says"]
    assert "changed 2 times, 1 of them to halt" in says[0] and "1 time, 0 of them by the machine" in says[1]
    assert section(made, "stopping")["status"] == "partial", "no service said that it follows, and there was no drill"
    drilled = make_report(facts(entries=[*entries, entry("drill")]), [])
    assert section(drilled, "stopping")["status"] == "evidence present"


def test_a_row_of_a_crosswalk_is_what_its_sections_are_together() -> None:
    made = make_report(facts(incidents=[incident(1)]), crosswalks())
    rows = {row["ref"]: row["status"] for one in made["crosswalks"] for row in one["rows"]}
    assert rows["Art. 12(1)-(2)"] == "evidence present" and rows["Art. 73"] == "absent"
    assert rows["Art. 26(5)"] == "partial" and rows["5-302"] == "absent"
    known = {one["id"] for one in made["sections"]}
    assert all(set(row["sections"]) <= known for one in crosswalks() for row in one["rows"])


def test_groups_are_compared_only_if_a_rule_does() -> None:
    parity = [{"rule": "p/R", "form": "parity", "severity": "high", "stage": "live", "gate": None}]
    assert section(make_report(facts(), []), "fairness")["status"] == "absent"
    made = make_report(facts(rules=parity, incidents=[incident(1)]), [])
    assert section(made, "fairness")["rows"][0]["segment"] == "inputs.sex=f"
