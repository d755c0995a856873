"""History beside the present: what comes late changes nothing of what watches now."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from window_batches import BASE, cut, make_batch

from monitor.core.events import Batch
from monitor.core.findings import Finding, Level
from monitor.core.modelwatch import LINGERS, ModelWatch
from monitor.core.notices.model import Policy, Receiver, Route
from monitor.core.rehearse import Rehearsal
from monitor.core.rules.model import Absent, Book, Detect, ModelOptions, Pack, Position, Rule, Windowed
from monitor.core.state import StateError, dump, load
from monitor.core.watcher import Mark

HOUR, DAY = 3600.0, 86_400.0
POLICY = Policy((Receiver("phone"),), (Route(("phone",)),), group_wait=0.0)
SHIFT = Detect("shift", ("inputs.x",), method="adwin", parameters={"delta": 0.1}, budget=False)
LOW = Windowed("share", "inputs.x < 1", 60.0, above=0.5, min_events=2, by=("inputs.g",))
WRONG = Windowed("share", "output.y != truth.y", 600.0, above=0.5, min_events=2)


def a_book(*forms: Any, digest: str = "book", options: ModelOptions | None = None, **rule: Any) -> Book:
    rules = tuple(Rule("p", f"R{i}", form, "high", Position("p.yaml", 1, 1), **rule) for i, form in enumerate(forms))
    return Book((Pack("p", ("*",), rules),), digest, (("*", options),) if options else ())


def live(now: float, x: list[float], first: int = 0, **more: Any) -> Batch:
    return make_batch([now] * len(x), {"inputs.x": x, "inputs.g": ["g"] * len(x)}, first=first, **more)


def past(now: float, ago: float, x: list[float], first: int = 0, **more: Any) -> Batch:
    """Old rows as a file brings them: a second apart, from `ago` seconds before they come."""
    happened = now - ago + np.arange(len(x))
    return live(now, x, first, at=happened, event_time=True, live=False, **more)


def present(part: ModelWatch) -> bytes:
    """All that the part remembers, but for its history; `events` counts both."""
    return dump({name: value for name, value in part.save().items() if name not in ("history", "events")})


# -- what goes where ------------------------------------------------------------------------------------------------


def test_old_rows_teach_a_model_as_long_as_they_come_in_order_and_nothing_live_has_come() -> None:
    part = ModelWatch("m", a_book(LOW, Absent(600.0)), BASE)
    for day in range(14, 0, -1):
        part.observe(past(BASE, day * DAY, [2.0] * 10, first=1000 - 10 * day))
    assert part.history is None and part.events == 140
    assert all(level.historical for level in part.assess(BASE))
    part.observe(live(BASE + 1, [2.0], 2000))
    assert part.history is None and not any(level.historical for level in part.assess(BASE + 1))


def test_a_detector_that_history_made_latch_watches_again_when_the_present_begins() -> None:
    part = ModelWatch("m", a_book(SHIFT), BASE)
    drifted = past(BASE, DAY, [i % 7.0 for i in range(600)] + [5 + i % 7.0 for i in range(300)])
    assert [finding.historical for finding in part.observe(drifted)] == [True]
    assert part.watchers["p/R0"].describe()["series"] == {"latched": 1}
    part.observe(past(BASE + 1, DAY / 2, [8.0] * 10, first=900))
    assert part.watchers["p/R0"].describe()["series"] == {"latched": 1}
    assert part.observe(live(BASE + 2, [5 + i % 7.0 for i in range(300)], 1000)) == []  # not what stood
    found = part.observe(live(BASE + 3, [12 + i % 7.0 for i in range(300)], 1300))
    assert [finding.historical for finding in found] == [False]


def test_old_rows_behind_a_live_stream_go_beside_it_and_leave_it_as_it_is() -> None:
    calm, busy = (ModelWatch("m", a_book(LOW, SHIFT, Absent(600.0), WRONG), BASE) for _ in range(2))
    for part in (calm, busy):
        part.observe(live(BASE, [2.0] * 5))
    before = present(busy)
    found = busy.observe(past(BASE + 10, 2 * DAY, [2.0] * 300 + [50.0] * 300, first=5, versions=["old"] * 600))
    assert found and all(finding.historical for finding in found)
    assert present(busy) == before == present(calm)
    assert busy.history is not None and busy.events == 605
    assert busy.last_seen == BASE and busy.live and not busy.old and busy.versions == []
    assert "Absent" not in {type(busy.rules[key].form).__name__ for key in busy.history.watchers}


def test_what_a_service_sends_late_teaches_before_the_present_begins_and_goes_beside_it_after() -> None:
    part = ModelWatch("m", a_book(LOW, Absent(600.0)), BASE)
    for day in (3, 2):
        part.observe(live(BASE, [2.0] * 10, 100 * day, at=BASE - day * DAY + np.arange(10.0), live=False))
    assert part.history is None and part.late_by == pytest.approx(2 * DAY - 9)
    assert all(level.historical and level.rule == "p/R0" for level in part.assess(BASE + HOUR)), "silence is of now"
    part.observe(live(BASE + 1, [2.0] * 5, 500, live=False))
    assert part.late_by is None and not any(level.historical for level in part.assess(BASE + 1))
    before = present(part)
    part.observe(live(BASE + 2, [0.0] * 10, 600, at=np.full(10, BASE - DAY), live=False))
    assert part.history is not None and present(part) == before


def test_where_the_present_begins_within_a_batch_does_not_depend_on_how_it_is_cut() -> None:
    drift = [i % 7.0 for i in range(600)] + [5 + i % 7.0 for i in range(600)] + [12 + i % 7.0 for i in range(300)]
    at = np.concatenate([BASE - DAY + np.arange(900.0), np.full(600, BASE)])
    whole = live(BASE, drift, at=at, live=False)
    one, many = (ModelWatch("m", a_book(SHIFT), BASE) for _ in range(2))
    found = one.observe(whole)
    apart = [f for start in range(0, 1500, 70) for f in many.observe(whole.take(range(start, min(start + 70, 1500))))]
    assert found == apart and [f.historical for f in found] == [True, False]
    assert dump(one.save()) == dump(many.save())


def test_a_level_of_history_stands_beside_that_of_the_present() -> None:
    part = ModelWatch("m", a_book(LOW), BASE)
    part.observe(live(BASE, [2.0] * 5))
    part.observe(past(BASE + 10, DAY, [0.0] * 5, first=5))
    now, then = part.assess(BASE + 10)
    assert (now.historical, now.holds.max(), now.at) == (False, 0, BASE + 10)
    assert (then.historical, then.holds.max(), then.at) == (True, 1, BASE + 14 - DAY)


def test_a_silent_model_stays_silent_while_its_past_comes_in() -> None:
    """Old rows are no sign of life, and its rules go on by daemon time."""
    part = ModelWatch("m", a_book(Absent(600.0)), BASE)
    part.observe(live(BASE, [1.0]))
    for minute in range(1, 12):
        part.observe(past(BASE + 60.0 * minute, 3 * HOUR, [1.0] * 5, first=10 * minute))
    (level,) = part.assess(BASE + 660)
    assert (level.at, level.historical, level.holds.tolist()) == (BASE + 660, False, [1])


def test_the_last_hour_of_a_backfill_does_not_stop_the_clock_of_a_live_model() -> None:
    """It is not old, so it is of the present; but a file that ends says nothing about how time goes on."""
    part = ModelWatch("m", a_book(Windowed("measure", "rate()", 60.0, below=0.05)), BASE)
    part.observe(live(BASE, [1.0] * 10))
    part.observe(past(BASE + 1, 1800.0, [1.0] * 10, first=10))
    assert part.history is None and not part.event_time
    (level,) = part.assess(BASE + 100)
    assert level.at == BASE + 100 and level.holds.tolist() == [1]


def test_a_file_that_catches_up_with_itself_stays_in_order() -> None:
    """A model that is fed by files only: yesterday's comes today, and its last hour is not old."""
    part = ModelWatch("m", a_book(LOW), BASE)
    for day in range(3):
        part.observe(past(BASE + day * DAY, 1000.0, [2.0] * 5, first=20 * day))
        part.observe(past(BASE + (day + 1) * DAY, DAY - 1500.0, [2.0] * 5, first=20 * day + 10))
    assert part.history is None
    part.observe(past(BASE + 4 * DAY, 30 * DAY, [2.0] * 5, first=100))
    assert part.history is not None and not part.live


def test_while_the_present_is_old_itself_the_line_that_was_heard_last_speaks_of_the_past() -> None:
    part = ModelWatch("m", a_book(LOW), BASE)
    part.observe(past(BASE, 2 * DAY, [2.0] * 5))
    part.observe(past(BASE + 1, 9 * DAY, [0.0] * 5, first=5))
    (level,) = part.assess(BASE + 1)
    assert level.historical and level.holds.max() == 1
    part.observe(past(BASE + 2, DAY, [2.0] * 5, first=10))
    (level,) = part.assess(BASE + 2)
    assert level.historical and level.holds.max() == 0


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([0.0, 600.0, 5000.0, 90_000.0, 2e6]), st.booleans()), min_size=2, max_size=40),
    st.lists(st.integers(1, 7), min_size=1, max_size=4),
)
def test_it_does_not_matter_where_rows_are_cut_that_are_partly_of_the_past(
    rows: list[tuple[float, bool]], sizes: list[int]
) -> None:
    clock = BASE + 10.0 * np.arange(len(rows))
    ago = np.array([seconds for seconds, _ in rows])
    x = [0.0 if low else 2.0 for _, low in rows]
    mixed = make_batch(clock.tolist(), {"inputs.x": x}, at=clock - ago, event_time=True, live=False)
    low = replace(LOW, by=())
    whole, pieces = ModelWatch("m", a_book(low), BASE), ModelWatch("m", a_book(low), BASE)
    whole.observe(mixed)
    for piece in cut(mixed, sizes):
        pieces.observe(piece)
    assert dump(whole.save()["watchers"]) == dump(pieces.save()["watchers"])
    assert (whole.history is None) == (pieces.history is None)
    if whole.history is not None and pieces.history is not None:
        assert dump(whole.history.save()["watchers"]) == dump(pieces.history.save()["watchers"])


# -- truth ----------------------------------------------------------------------------------------------------------


def labels(at: float, ids: list[str], first: int, **more: Any) -> Batch:
    return make_batch([at] * len(ids), {"truth.y": [0] * len(ids)}, ids=ids, first=first, truth=True, **more)


def with_answers(batch: Batch) -> Batch:
    batch.columns["output.y"] = [1] * batch.n
    return batch


def counts(part: ModelWatch) -> dict[str, int]:
    assert part.join is not None
    beside = {} if part.history is None or part.history.join is None else part.history.join.counts
    return {name: n + beside.get(name, 0) for name, n in part.join.counts.items()}


def test_a_label_goes_to_the_line_that_has_its_event() -> None:
    part = ModelWatch("m", a_book(WRONG), BASE)
    part.observe(with_answers(live(BASE, [1.0] * 4)))
    part.observe(with_answers(past(BASE + 1, DAY, [1.0] * 4, first=4)))
    clock = part.clock
    part.observe(labels(BASE + 2, ["e0", "e4", "nobody", "e5", "e1"], 8))
    assert part.join is not None and part.history is not None and part.history.join is not None
    assert (part.join.counts["joined"], part.join.waiting) == (2, 1)
    assert (part.history.join.counts["joined"], part.history.join.waiting) == (2, 0)
    assert part.clock == max(clock, BASE + 2)
    now, then = part.assess(BASE + 3)
    assert (now.historical, now.n.tolist()) == (False, [2]) and (then.historical, then.n.tolist()) == (True, [2])


def test_a_label_that_came_before_its_event_is_found_when_that_comes_as_history() -> None:
    part = ModelWatch("m", a_book(WRONG), BASE)
    part.observe(with_answers(live(BASE, [1.0])))
    part.observe(labels(BASE + 1, ["e4", "e5"], 2))
    part.observe(with_answers(past(BASE + 2, DAY, [1.0] * 4, first=4)))
    assert part.join is not None and part.join.waiting == 0
    assert (counts(part)["joined"], counts(part)["early"]) == (2, 2)


def test_labels_of_history_are_no_sign_that_labels_of_the_present_come() -> None:
    part = ModelWatch("m", a_book(Absent(600.0, truth=True), WRONG), BASE)
    part.observe(with_answers(live(BASE, [1.0])))
    part.observe(with_answers(past(BASE + 1, DAY, [1.0] * 4, first=4)))
    part.observe(labels(BASE + 500, ["e4"], 10))
    assert part.assess(BASE + 601)[0].holds.tolist() == [1]
    part.observe(labels(BASE + 602, ["e0"], 11))
    assert part.assess(BASE + 603)[0].holds.tolist() == [0]


def test_harm_that_labels_show_in_history_is_historical_though_they_come_today() -> None:
    harm = Detect("harm", (), of="output.y != truth.y", method="adwin", budget=False)
    part = ModelWatch("m", a_book(harm), BASE)
    part.observe(with_answers(past(BASE, DAY, [1.0] * 2000)))
    y = [1] * 1000 + [0] * 1000
    found = part.observe(make_batch([BASE + 1] * 2000, {"truth.y": y}, truth=True))
    assert part.history is None and [finding.historical for finding in found] == [True]


def test_every_label_is_counted_once_when_history_is_dropped() -> None:
    part = ModelWatch("m", a_book(WRONG), BASE)
    part.observe(with_answers(live(BASE, [1.0] * 2)))
    part.observe(with_answers(past(BASE + 1, DAY, [1.0] * 4, first=4)))
    part.observe(labels(BASE + 2, ["e0", "e4", "e4", "nobody"], 10))
    before = counts(part)
    part.tick(BASE + 2 + LINGERS - 1)
    assert part.history is not None
    part.tick(BASE + 2 + LINGERS)
    assert part.history is None
    assert counts(part) == before | {"never": 3}  # the events that were still waiting
    assert part.join is not None and part.join.waiting == 1


# -- marks, books, state --------------------------------------------------------------------------------------------


def a_pair(*forms: Any) -> ModelWatch:
    part = ModelWatch("m", a_book(*forms), BASE)
    part.observe(live(BASE, [1.0] * 10))
    part.observe(past(BASE + 1, DAY, [1.0] * 10, first=10))
    return part


@pytest.mark.parametrize(
    ("body", "reached"),
    [(None, (True, True)), ({"historical": True}, (False, True)), ({"historical": False}, (True, False))],
)
def test_a_mark_reaches_the_lines_it_is_meant_for(body: dict[str, Any] | None, reached: tuple[bool, bool]) -> None:
    part = a_pair(SHIFT)
    assert part.history is not None
    part.apply(Mark("freeze", BASE + 2, "m", "p/R0", body=body))
    frozen = tuple(line.watchers["p/R0"].describe()["frozen"] == [""] for line in (part, part.history))
    assert frozen == reached


def test_a_mark_for_history_reaches_the_present_while_that_is_history_itself() -> None:
    part = ModelWatch("m", a_book(SHIFT), BASE)
    part.observe(past(BASE, DAY, [1.0] * 10))
    part.apply(Mark("freeze", BASE + 2, "m", "p/R0", body={"historical": True}))
    assert part.watchers["p/R0"].describe()["frozen"] == [""]


def test_a_kind_that_a_person_gives_holds_for_both_and_so_does_a_book() -> None:
    part = a_pair(SHIFT)
    assert part.history is not None
    part.apply(Mark("kinds", BASE, "m", body={"column": "inputs.x", "kind": "category"}))
    assert part.columns.kind("inputs.x") == part.history.columns.kind("inputs.x") == "category"
    part.adopt(a_book(LOW, digest="other"))
    assert list(part.watchers) == list(part.history.watchers) == ["p/R0"]
    assert [level.historical for level in part.assess(BASE + 5)] == [False, True]


def test_history_starts_with_what_is_known_of_columns() -> None:
    part = ModelWatch("m", a_book(replace(SHIFT, columns=("inputs.*",))), BASE)
    part.observe(live(BASE, [1.0 + i % 7 for i in range(100)]))
    part.observe(past(BASE + 1, DAY, [1.0], first=100))
    assert part.history is not None and part.history.columns.kinds == part.columns.kinds != {}


def test_a_broken_detector_of_history_calls_nobody() -> None:
    part = a_pair(SHIFT)
    assert part.history is not None

    def broken(*_: Any) -> Any:
        raise RuntimeError("worn out")

    part.history.watchers["p/R0"].observe = broken  # type: ignore[method-assign]
    part.observe(past(BASE + 2, DAY, [1.0], first=50))
    (failure,) = part.failures()
    assert failure.historical and part.failed == {} and list(part.history.failed) == ["p/R0"]


def test_it_is_saved_and_goes_on_as_if_nothing_had_happened() -> None:
    book = a_book(LOW, SHIFT, WRONG, Absent(60.0))
    part, again = a_pair(), ModelWatch("m", book, BASE)
    part.adopt(book)
    part.observe(with_answers(past(BASE + 2, DAY, [1.0] * 30, first=20)))
    assert again.load(load(dump(part.save()))) == []
    assert dump(again.save()) == dump(part.save())
    assert part.memory() > ModelWatch("m", book, BASE).memory() + 4096
    for line in (part, again):
        line.observe(with_answers(live(BASE + 3, [1.0] * 30, 60)))
        line.observe(with_answers(past(BASE + 4, DAY / 2, [9.0] * 300, first=100)))
        line.observe(labels(BASE + 5, ["e25", "e61"], 500))
    assert dump(again.save()) == dump(part.save())


def test_a_state_from_before_there_was_history_can_be_read() -> None:
    part = ModelWatch("m", a_book(LOW), BASE)
    part.observe(past(BASE, DAY, [1.0] * 5))
    saved = part.save()
    first = {k: v for k, v in saved.items() if k not in ("history", "heard", "newest")} | {"v": 1}
    again = ModelWatch("m", a_book(LOW), BASE)
    assert again.load(first) == [] and dump(again.save()) == dump(saved)
    again.observe(past(BASE + 1, 9 * DAY, [1.0], first=9))
    assert again.history is not None
    with pytest.raises(StateError, match="version 3, this program reads 2"):
        again.load(saved | {"v": 3})


# -- what is decided ------------------------------------------------------------------------------------------------

EVERYTHING = a_book(
    LOW,
    replace(LOW, of="inputs.x > 8", by=()),
    SHIFT,
    Detect("quality", ("inputs.*",)),
    Detect("outlier", ("inputs.*",), method="sad", budget=False),
    Absent(120.0),
    Absent(200.0, truth=True),
    WRONG,
    Windowed("compare", "mean(inputs.x)", 120.0, above=0.2, against="previous_version", min_events=2),
    Windowed("measure", "rate()", 60.0, below=0.05),
    for_=20.0,
)
values = st.lists(st.sampled_from([0.0, 2.0, 2.1, 2.2, 9.0, 50.0]), min_size=1, max_size=30)
turns = st.lists(
    st.tuples(
        values,
        st.sampled_from([1.0, 15.0, 100.0, 400.0]),
        st.lists(st.tuples(values, st.sampled_from([1.5 * HOUR, DAY, 30 * DAY]), st.booleans()), max_size=3),
        st.booleans(),
    ),
    min_size=2,
    max_size=25,
)


def of_the_present(found: list[Any]) -> list[str]:
    return [repr(one) for one in found if not one.historical]


@pytest.mark.parametrize("time", [None, "recorded", "event"])
@settings(max_examples=15, deadline=None)
@given(turns)
def test_the_present_is_the_same_whether_or_not_a_backfill_comes_in(time: Any, script: list[Any]) -> None:
    book = replace(EVERYTHING, options=(("*", ModelOptions(time=time)),))
    calm, busy = Rehearsal(book, POLICY), Rehearsal(book, POLICY)
    seen: dict[str, list[Any]] = {"calm": [], "busy": []}
    at, offset = BASE, 0
    for x, pause, backfill, silent in script:
        at += pause
        now = [] if silent and offset else [with_answers(live(at, x, offset, versions=[f"v{len(x) // 10}"] * len(x)))]
        offset += len(x)
        if now and len(x) % 2:
            now.append(labels(at, now[0].ids[:5], offset))
            offset += 5
        old = []
        for values_, ago, labelled in backfill:
            old.append(with_answers(past(at, ago, values_, offset, versions=["vold"] * len(values_))))
            offset += len(values_)
            if labelled:
                old.append(labels(at, old[-1].ids[:5], offset, live=False, event_time=True))
                offset += 5
        tick = pause >= 15.0
        for name, rehearsal, batches in (("calm", calm, now), ("busy", busy, [*now, *old])):
            seen[name].append(rehearsal.step(at, batches, tick=tick))
    parts = [rehearsal.bank.models["m"] for rehearsal in (calm, busy)]
    assert present(parts[0]) == present(parts[1])
    assert of_the_present(list(calm.view.incidents.values())) == of_the_present(list(busy.view.incidents.values()))
    states = [[s for s in r.view.rule_states.values() if not s.historical] for r in (calm, busy)]
    assert sorted(map(repr, states[0])) == sorted(map(repr, states[1]))
    assert [n.key for n in calm.notices] == [n.key for n in busy.notices]
    for one, other in zip(seen["calm"], seen["busy"], strict=True):
        kept = [e for e in other.evidence if not busy.view.incidents[e[0]].historical]
        assert repr(one.evidence) == repr(kept)


def test_an_incident_of_history_is_over_when_nothing_speaks_of_the_past_any_more() -> None:
    rehearsal = Rehearsal(a_book(LOW), POLICY)
    rehearsal.step(BASE, [live(BASE, [2.0] * 5)], tick=True)
    rehearsal.step(BASE + 1, [past(BASE + 1, DAY, [0.0] * 5, first=5)])
    (incident,) = rehearsal.view.incidents.values()
    assert incident.historical and incident.state == "open"
    rehearsal.step(BASE + HOUR, [live(BASE + HOUR, [2.0] * 5, 10)], tick=True)
    assert rehearsal.view.incidents[incident.id].state == "open"
    rehearsal.step(BASE + 2 * DAY, [], tick=True)
    assert rehearsal.bank.models["m"].history is None
    assert rehearsal.view.incidents[incident.id].state == "recovered"
    assert not [s for s in rehearsal.view.rule_states.values() if s.historical] and rehearsal.notices == []


def test_levels_and_findings_of_history_say_so() -> None:
    rehearsal = Rehearsal(EVERYTHING, POLICY)
    rehearsal.step(BASE, [with_answers(live(BASE, [2.0] * 50))])
    part = rehearsal.bank.models["m"]
    found: list[Finding] = part.observe(with_answers(past(BASE + 1, DAY, [2.0] * 400 + [50.0] * 400, first=50)))
    found += part.observe(labels(BASE + 2, [f"e{i}" for i in range(50, 850)], 1000))
    levels: list[Level] = part.assess(BASE + 3)
    assert found and all(finding.historical for finding in found)
    assert {level.rule for level in levels if level.historical} == {
        level.rule for level in levels if not level.historical
    } - {"p/R5", "p/R6"}
