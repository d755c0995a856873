"""A rule book over recorded traffic: it fires as it did live, says how near it came, and is held against verdicts."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest
from pumping import T0, World, answers

from monitor.core.backtest import Backtest, Firing
from monitor.core.rules.compile import Source
from monitor.core.rules.model import Book
from monitor.core.verdicts import Judged, compare
from monitor.runtime.backtest import Known, Progress, known, run
from monitor.runtime.backtest_picture import picture
from monitor.runtime.backtest_report import as_plain, lines, report
from monitor.runtime.books import compile_source
from monitor.runtime.recorded import Refused, batches_of, of_file, of_spool, sorted_by_time

PACK = """
pack: tests
models: ["m*"]
rules:
- alert: Low
  share: {of: output.confidence < 0.6, above: 50%, over: 1m, min_events: 2}
  severity: high
- alert: Slow
  count: {of: context.latency_ms > 100, above: 3, over: 2m}
  for: 20s
  severity: medium
- alert: Silent
  absent: {for: 3m}
  severity: high
- alert: Shift
  detect: {shift: inputs.x}
  severity: high
- alert: Raw
  detect: {shift: inputs.x, with: adwin, budget: none}
  severity: low
  stage: shadow
"""
DAY = 86_400.0
NEVER = PACK.replace("above: 50%", "above: 99%").replace("min_events: 2", "min_events: 200")


def book(pack: str = PACK) -> Book:
    made, found = compile_source(Source({"tests/pack.yaml": pack}))
    assert made is not None, found
    return made


def written(events: Iterable[dict[str, Any]]) -> list[tuple[int, bytes]]:
    return [
        (n, json.dumps({"id": f"e{n}", "model": "m", "output": {"confidence": 0.9}, **event}).encode())
        for n, event in enumerate(events, 1)
    ]


def replayed(events: Iterable[dict[str, Any]], pack: str = PACK) -> tuple[Backtest, Progress]:
    test = Backtest(book(pack))
    return test, run(test, of_file(written(events), "file", test.book, Refused()))


def fired(test: Backtest, rule: str) -> list[Firing]:
    return [f for f in test.firings if f.rule == f"tests/{rule}"]


def test_windows_and_for_act_on_the_times_in_the_file() -> None:
    events = [{"at": T0 + 5 * i, "context": {"latency_ms": 500 if 100 <= i < 130 else 20}} for i in range(300)]
    test, done = replayed(events)
    (slow,) = fired(test, "Slow")
    began = T0 + 5 * 103  # the fourth slow answer
    assert began + 20 <= slow.at <= began + 40, "for 20 s, and at most a tick later"
    assert slow.until is not None and T0 + 5 * 130 < slow.until < T0 + 5 * 130 + 135
    assert (done.since, done.at, done.events) == (T0, T0 + 5 * 299, 300)


def test_silence_in_the_file_is_silence() -> None:
    test, _ = replayed([{"at": T0 + t} for t in (0, 10, 20, 400, 410)])
    (silent,) = fired(test, "Silent")
    assert T0 + 20 + 180 <= silent.at <= T0 + 20 + 195


def test_the_nearest_a_rule_came_is_said_with_its_time() -> None:
    events = [{"at": T0 + 10 * i, "output": {"confidence": 0.1 if i in (20, 21) else 0.9}} for i in range(60)]
    test, _ = replayed(events)
    assert fired(test, "Low") == []
    near = test.nearest["tests/Low", "m"]
    assert near.ratio == pytest.approx(2 / 6 / 0.5, rel=0.35)
    assert T0 + 210 <= near.at <= T0 + 275
    assert near.column == "output.confidence"


def test_what_only_a_person_can_end_is_ended_after_a_day_and_counted_again() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(0, 1, 2016 + 80 + 600)
    x[2016 + 80 : 2016 + 110] += 300.0  # sudden, and again three days later
    x[-20:] += 300.0
    events = written({"at": T0 + 300 * i, "inputs": {"x": v}} for i, v in enumerate(x.tolist()))
    test = Backtest(book())
    records = list(of_file(events, "file", test.book, Refused()))
    for start in range(0, len(records), 12):  # hour by hour
        test.step(records[start : start + 12][-1].recorded_at, batches_of(records[start : start + 12]))
    shifts = fired(test, "Shift")
    assert len(shifts) >= 2
    first = shifts[0]
    assert first.until is not None and DAY <= first.until - first.at <= DAY + 3600
    assert first.columns == ("inputs.x",)
    assert test.watched_from["tests/Shift", "m"] == pytest.approx(T0 + 7 * DAY, abs=10_800)


def test_traffic_that_a_home_recorded_fires_as_it_did_live(make_world: Callable[..., World]) -> None:
    home = make_world(pack=PACK)
    rng = np.random.default_rng(2)
    for k in range(120):
        bad = 40 <= k < 60 or 90 <= k < 95
        home.post(
            *answers(3, confidence=0.2 if bad else 0.9, context={"latency_ms": int(rng.integers(10, 60)) + 80 * bad})
        )
        home.run(240.0 if k == 110 else 7.0)
    live = sorted((f"tests/{i['rule']}", i["occurrence"]) for i in whole(home) if i["stage"] == "live")
    assert len(live) >= 3
    test = Backtest(home.shelf.current)
    done = run(test, of_spool(home.folder, 1, 0, 0.0))
    again = sorted(f.rule for f in test.firings if f.stage == "live")
    assert again == sorted(rule for rule, occurrences in live for _ in range(occurrences))
    opened = {f"tests/{i['rule']}": i["opened_at"] for i in whole(home)}
    for firing in test.firings:
        if firing.rule in opened and firing.at == min(f.at for f in test.firings if f.rule == firing.rule):
            assert abs(firing.at - seconds(opened[firing.rule])) <= 15.0
    assert done.events == 360


def whole(home: World) -> list[dict[str, Any]]:
    from monitor.store.queries import incident

    with home.database.read() as connection:
        found = [incident(connection, i["id"]) for i in home.incidents()]
    return [i for i in found if i is not None]


def seconds(text: str) -> float:
    from monitor.core.times import parse_time

    return parse_time(text)


def test_only_what_was_recorded_since_is_read(make_world: Callable[..., World]) -> None:
    home = make_world(pack=PACK)
    for _ in range(40):
        home.post(*answers(2))
        home.clock.advance(10.0)
    for since, first in ((0.0, 0), (T0, 0), (T0 + 5, 2), (T0 + 195, 40), (T0 + 390, 78)):
        records = list(of_spool(home.folder, 1, 0, since))
        assert (records[0].first, records[-1].end) == (first, 80)
    assert list(of_spool(home.folder, 1, 0, T0 + 1000)) == []


def test_what_people_did_to_detectors_and_said_of_incidents_comes_from_the_ledger(
    make_world: Callable[..., World],
) -> None:
    home = make_world(pack=PACK)
    for k in range(60):
        home.post(*answers(3, confidence=0.2 if 20 <= k < 30 else 0.9))
        home.run(7.0)
    (low,) = home.incidents("Low")
    home.desk.close(low["id"], "kim", "operator", verdict="real")
    home.desk.column_kind("m", "inputs.x", "category", "sue", "supervisor")
    home.run(20.0)
    facts = known(home.database, book(), 0.0, home.clock.now(), [0])
    assert [(i.rule, i.verdict, i.columns) for i in facts.incidents] == [("tests/Low", "real", ("output.confidence",))]
    assert facts.kinds["m"]["inputs.x"] == "category"
    assert [mark.kind for mark in facts.marks] == ["kinds"]
    for pack, matched in ((PACK, 1), (NEVER, 0)):
        test = Backtest(book(pack), facts.kinds, facts.given)
        done = run(test, of_spool(home.folder, 1, 0, 0.0), facts.marks)
        rows = {r.standing.rule: r for r in report(test.book, [test], facts, done).rows}
        assert (len(rows["tests/Low"].standing.matched), len(rows["tests/Low"].standing.missed)) == (
            matched,
            1 - matched,
        )


def judged(verdict: str, at: float, rule: str = "tests/Low", **more: Any) -> Judged:
    base: dict[str, Any] = {
        "until": at + 60,
        "columns": ("output.confidence",),
        "statistics": ("share of events",),
        "effect": 1.2,
    }
    return Judged(f"{verdict}-{at:.0f}", rule, "m", verdict, at, **{**base, **more})


def firing(at: float, rule: str = "tests/Low", columns: tuple[str, ...] = ("output.confidence",)) -> Firing:
    return Firing("f", rule, "m", "live", "high", at, ("",), columns, 1.1, "Low tripped.", at + 60)


def test_verdicts_are_held_against_firings_by_model_family_and_time() -> None:
    incidents = [
        judged("real", T0),
        judged("real", T0 + DAY),
        judged("false", T0 + 600),
        judged("false", T0 + 2 * DAY),
        judged("expected", T0 + 3 * DAY),
        judged("real", T0, "old/Renamed"),
        judged("real", T0, "old/Other", columns=("context.latency_ms",)),
    ]
    rows = {s.rule: s for s in compare(book(), [firing(T0 + 300)], incidents, ["m"])}
    low = rows["tests/Low"]
    assert [i.id for i in low.matched] == [f"real-{T0:.0f}", f"real-{T0:.0f}"], "a renamed rule is of the same family"
    assert [i.at for i in low.missed] == [T0, T0 + DAY], "another column is another thing, listed under its family"
    assert [i.at for i in low.still] == [T0 + 600]
    assert [i.at for i in low.gone] == [T0 + 2 * DAY]
    assert rows["tests/Slow"].firings == []
    assert compare(book(), [], [judged("real", T0, "old/Gone", statistics=("parity",))], [])[0].missed


def test_the_report_is_whole_in_text_in_json_and_in_the_picture() -> None:
    events = [
        {"at": T0 + 10 * i, "output": {"confidence": 0.1 if 30 <= i < 60 else 0.9}, "inputs": {"x": i % 5}}
        for i in range(1200)
    ]
    test, done = replayed(events)
    facts = Known(incidents=[judged("real", T0 + 330), judged("false", T0 + 9000), judged("real", T0 + 9900)])
    told = report(test.book, [test], facts, done)
    text = "\n".join(lines(told))
    assert "tests/Low on m would have fired 1 time." in text
    assert "real, and would have been found." in text and "real, and would have been MISSED." in text
    assert "false, and would be gone." in text
    assert "Of 2 incidents that people called real 1 would have been found and 1 missed" in text
    assert "tests/Shift on m would have fired 0 times." in text and "It had no reference" in text
    assert "(in shadow)" in text and "How near it came cannot be said" in text
    assert "Another" not in text
    plain = json.loads(json.dumps(as_plain(told), allow_nan=False))
    low = next(r for r in plain["rules"] if r["rule"] == "tests/Low")
    assert (low["fired"], len(low["real"]["matched"]), len(low["false"]["gone"])) == (1, 1, 1)
    assert plain["events"] == 1200 and plain["from"] == "2023-11-14T22:15:00Z"
    drawn = ET.fromstring(picture(told))
    boxes = [e for e in drawn.iter("{http://www.w3.org/2000/svg}rect") if len(e)]
    assert len(boxes) == 1 + 3, "the firing, and what people said of three incidents"


def test_lines_that_are_no_events_are_left_out_and_counted() -> None:
    refused = Refused()
    lines_ = [
        (1, b"{"),
        (2, b'{"id":"a"}'),
        *[(n + 2, line) for n, line in written([{"at": T0}, {}, {"model": "x", "at": 1}])],
    ]
    lines_.append((9, b'{"id":"e1","model":"m","truth":{"label":1},"at":%d}' % (T0 + 60)))
    records = list(of_file(lines_, "f", book(), refused, "m"))
    assert [(r.kind, r.recorded_at, r.first) for r in records] == [("events", T0, 0), ("truth", T0 + 60, 1)]
    assert refused.lines == 3
    assert refused.first[2] == "f line 4 says no time: it needs an `at`."


def test_a_file_out_of_order_is_replayed_as_it_came_and_fitted_as_it_happened() -> None:
    events = written([{"at": T0 + t} for t in (0, 50, 20)])
    records = list(of_file(events, "f", book(), Refused()))
    assert [r.recorded_at for r in records] == [T0, T0 + 50, T0 + 50]
    assert [r.recorded_at for r in sorted_by_time(records)] == [T0, T0 + 20, T0 + 50]


def test_it_is_at_least_a_hundred_times_as_fast_as_ten_events_a_second() -> None:
    rng = np.random.default_rng(3)
    events = (
        {"at": T0 + i / 10, "inputs": {"x": x, "y": -x}, "output": {"confidence": 0.9}, "context": {"latency_ms": 20}}
        for i, x in enumerate(rng.normal(0, 1, 10_000).tolist())
    )
    _, done = replayed(events)
    assert done.events == 10_000
    assert done.times_real > 100
