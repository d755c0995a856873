from __future__ import annotations

import math
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import text

from monitor.core.changes import Changes, Entry
from monitor.core.notices.model import OnRecord
from monitor.core.step import Step
from monitor.core.view import View
from monitor.core.watcher import Mark
from monitor.store import queries
from monitor.store.database import Database
from monitor.store.ledger import (
    Fenced,
    ModelSeen,
    QuarantineRow,
    Stale,
    Taken,
    bump_desk,
    commit_step,
    desk_seq,
    forget_steps,
    get_book,
    load_view,
    put_book,
    steps_after,
    take_partition,
    totals,
    want_mark,
    wanted_marks,
)
from monitor.store.silences import add_silence


def step(seq: int, epoch: int = 1, first: int = 0, end: int = 0, **given: Any) -> Step:
    base: dict[str, Any] = {"at": 1000.0 + seq, "book": "digest"}
    return Step(partition=0, seq=seq, epoch=epoch, first=first, end=end, **{**base, **given})


@pytest.fixture
def taken(database: Database) -> Taken:
    return take_partition(database, 0, 1000.0)


def view(database: Database, at: float = 1000.0) -> View:
    with database.read() as connection:
        return load_view(connection, 0, at)


def entries(database: Database) -> list[tuple[str, str]]:
    with database.read() as connection:
        page, _ = queries.audit_page(connection, limit=1000)
    return [(entry["kind"], entry["actor"]) for entry in reversed(page)]


# -- taking a partition -------------------------------------------------------------------------------------------


def test_the_first_engine_starts_from_nothing_and_says_so(database: Database) -> None:
    assert take_partition(database, 0, 1000.0) == Taken(1, 0, 0, 1000.0, "", 0, {})
    assert entries(database) == [("engine_started", "machine")]


def test_the_next_engine_goes_on_where_the_last_one_stood(database: Database, taken: Taken) -> None:
    commit_step(database, step(1, end=30), Changes(), {"observed": 30}, 0)
    assert take_partition(database, 0, 2000.0) == Taken(2, 1, 30, 1001.0, "digest", 0, {"observed": 30})
    assert take_partition(database, 1, 2000.0).epoch == 1  # another partition knows nothing of it


def test_an_engine_that_lost_its_partition_is_fenced_off(database: Database, taken: Taken) -> None:
    take_partition(database, 0, 1500.0)
    with pytest.raises(Fenced, match="Partition 0 was taken by another engine") as caught:
        commit_step(database, step(1, epoch=1, end=10), Changes(), {"observed": 10}, 0)
    assert (caught.value.partition, caught.value.ours, caught.value.theirs) == (0, 1, 2)
    with database.read() as connection:
        assert steps_after(connection, 0, 0) == []
        assert totals(connection, 0) == {}


@pytest.mark.parametrize("seq", [0, 1, 3])
def test_only_the_next_step_is_taken(database: Database, taken: Taken, seq: int) -> None:
    commit_step(database, step(1), Changes(), {}, 0)
    with pytest.raises(Fenced):
        commit_step(database, step(seq), Changes(), {}, 0)


def test_a_step_before_anybody_took_the_partition_is_refused(database: Database) -> None:
    with pytest.raises(Fenced):
        commit_step(database, step(1), Changes(), {}, 0)


# -- committing ---------------------------------------------------------------------------------------------------


def test_a_step_without_changes_writes_no_audit_entry(database: Database, taken: Taken) -> None:
    before = entries(database)
    commit_step(database, step(1, end=10), Changes(), {"observed": 10}, 0)
    assert entries(database) == before
    with database.read() as connection:
        assert totals(connection, 0) == {"observed": 10}


def test_steps_are_recorded_with_their_marks_and_can_be_read_in_parts(database: Database, taken: Taken) -> None:
    marks = (
        Mark("tick", 1002.0),
        Mark("kinds", 1002.0, "fraud-eu", body={"column": "inputs.x", "kind": "number"}),
        Mark("rearm", 1002.0, "m\0\ud800", "base/ScoreShift", "a=b"),
    )
    written = [step(1, end=5), step(2, first=5, end=9, marks=marks), step(3, first=9, end=9)]
    for each in written:
        commit_step(database, each, Changes(), {}, 0)
    with database.read() as connection:
        assert steps_after(connection, 0, 0) == written
        assert steps_after(connection, 0, 1, limit=1) == written[1:2]
        assert steps_after(connection, 0, 3) == []
        assert steps_after(connection, 1, 0) == []


def test_steps_whose_records_are_trimmed_can_be_forgotten_but_never_the_last(database: Database, taken: Taken) -> None:
    for number in range(1, 5):
        commit_step(database, step(number, first=10 * number - 10, end=10 * number), Changes(), {}, 0)
    with database.write(2000.0) as tx:
        assert forget_steps(tx, 0, 21) == 2
        assert forget_steps(tx, 0, 1000) == 1
    with database.read() as connection:
        assert [each.seq for each in steps_after(connection, 0, 0)] == [4]


def test_everything_a_step_changed_is_there_afterwards(database: Database, taken: Taken, make: Any) -> None:
    changes = make.opened("i-1", "i-2")
    changes.rule_states = {s.key: s for s in (make.state("a"), make.state("b", firing=True))}
    changes.gates = {"fraud-eu": make.gate()}
    changes.entries = [Entry("incident_opened", "machine", {"incident": "i-1"})]
    changes.wanted = [{"kind": "rearm", "at": 1.0, "model": "fraud-eu"}]
    commit_step(database, step(1), changes, {}, 0)

    expected = View(partition=0)
    expected.absorb(changes)
    assert view(database) == expected
    assert entries(database)[1:] == [("incident_opened", "machine")]
    with database.read() as connection:
        assert queries.load_evidence(connection, "i-1") == [make.evidence()]
        assert [mark for _, mark in wanted_marks(connection, 0)] == changes.wanted


def test_a_failing_step_leaves_nothing_behind(database: Database, taken: Taken, make: Any) -> None:
    changes = make.opened("i-1")
    changes.entries = [Entry("incident_opened", "machine", {}), Entry("no such kind", "machine", {})]
    with pytest.raises(ValueError, match="no such kind"):
        commit_step(database, step(1), changes, {"observed": 1}, 0)
    assert view(database).incidents == {}
    with database.read() as connection:
        assert totals(connection, 0) == {}
    commit_step(database, step(1), Changes(), {}, 0)


def test_incidents_states_and_gates_are_replaced_and_states_dropped(
    database: Database, taken: Taken, make: Any
) -> None:
    first = make.opened("i-1")
    first.rule_states = {("base/SlowAnswers", "fraud-eu", s, False): make.state(s) for s in ("a", "b")}
    first.gates = {"fraud-eu": make.gate()}
    commit_step(database, step(1), first, {}, 0)
    closed = replace(first.incidents["i-1"], state="closed", closed_at=1001.0, closed_by="ann", revision=2)
    second = Changes(
        rule_states={("base/SlowAnswers", "fraud-eu", "a", False): None},
        incidents={"i-1": closed},
        gates={"fraud-eu": make.gate(state="auto", generation=2)},
    )
    commit_step(database, step(2), second, {}, 0)
    found = view(database, 1002.0)
    assert found.incidents == {"i-1": closed}
    assert set(found.rule_states) == {("base/SlowAnswers", "fraud-eu", "b", False)}


def test_what_history_says_of_a_rule_is_kept_beside_what_the_present_says(
    database: Database, taken: Taken, make: Any
) -> None:
    live, past = make.state("a", firing=True), make.state("a", historical=True)
    commit_step(database, step(1), Changes(rule_states={s.key: s for s in (live, past)}), {}, 0)
    assert view(database).rule_states == {live.key: live, past.key: past}
    commit_step(database, step(2), Changes(rule_states={past.key: None}), {}, 0)
    assert view(database).rule_states == {live.key: live}


def test_a_notice_recorded_once_is_never_owed_again(database: Database, taken: Taken, make: Any) -> None:
    commit_step(database, step(1), make.opened("i-1"), {}, 0)
    with database.write(1.0) as tx:
        tx.connection.execute(text("UPDATE notices SET state = 'delivered'"))
    commit_step(database, step(2), Changes(notices=[make.notice("n-i-1", "i-1", due_at=7.0)]), {}, 0)
    with database.read() as connection:
        assert connection.execute(text("SELECT state, due_at FROM notices")).all() == [("delivered", 105.0)]


def test_cancelling_concerns_only_what_is_not_sent_or_being_sent(database: Database, taken: Taken, make: Any) -> None:
    states = ("pending", "retry", "sending", "delivered", "dead", "unknown")
    changes = Changes(incidents={"i-1": make.incident()}, notices=[make.notice(f"n-{s}", "i-1") for s in states])
    commit_step(database, step(1), changes, {}, 0)
    with database.write(1.0) as tx:
        for state in states:
            tx.connection.execute(text("UPDATE notices SET state = :s WHERE key = :k"), {"s": state, "k": f"n-{state}"})
    commit_step(database, step(2), Changes(cancelled=[f"n-{s}" for s in states]), {}, 0)
    with database.read() as connection:
        found = {row.key: row.state for row in connection.execute(text("SELECT key, state FROM notices"))}
    assert {key for key, state in found.items() if state == "cancelled"} == {"n-pending", "n-retry"}


def test_numbers_of_numpy_and_of_no_value_are_stored(database: Database, taken: Taken, make: Any) -> None:
    evidence = make.evidence(
        value=np.float64(0.25), expected=math.nan, effect=math.inf, interval=(math.nan, 1.0), n=np.int64(7)
    )
    changes = Changes(incidents={"i-1": make.incident()}, evidence=[("i-1", evidence)])
    commit_step(database, step(1), changes, {}, 0)
    with database.read() as connection:
        (found,) = queries.load_evidence(connection, "i-1")
        shown = queries.incident(connection, "i-1")
    assert (found.value, found.expected, found.effect, found.n) == (0.25, None, math.inf, 7)
    assert type(found.n) is int
    assert shown is not None
    piece = shown["evidence"][0]
    assert (piece["value"], piece["expected"], piece["effect"], piece["interval"]) == (0.25, None, None, [None, 1.0])


def test_text_that_does_not_fit_is_cut_alike_on_both_databases(database: Database, taken: Taken, make: Any) -> None:
    name = "m\0\ud800" + "x" * 500
    changes = Changes(incidents={"i-1": make.incident(model=name, version=name, summary=name)})
    commit_step(database, step(1), changes, {}, 0, models=[ModelSeen(name, 1.0, 2.0, 3)])
    found = view(database).incidents["i-1"]
    assert found.model.startswith("m\ufffd\ufffdxxx")
    assert len(found.model) == 200
    assert found.summary == "m\ufffd\ufffd" + "x" * 500
    with database.read() as connection:
        assert queries.models(connection)[0]["model"] == found.model
    other = make.incident("i-2", model=name + "y")
    commit_step(database, step(2), Changes(incidents={"i-2": other}), {}, 0)
    assert view(database).incidents["i-2"].model != found.model  # what was cut off still tells them apart


def test_events_set_aside_are_kept_once_and_are_on_record(database: Database, taken: Taken) -> None:
    rows = [QuarantineRow(offset, "fraud-eu", f"e-{offset}", "it raised") for offset in (3, 7)]
    commit_step(database, step(1, end=10), Changes(), {"quarantined": 2}, 0, quarantined=rows)
    commit_step(database, step(2, first=10, end=10), Changes(), {"quarantined": 2}, 0, quarantined=rows[:1])
    with database.read() as connection:
        assert connection.execute(text("SELECT count(*) FROM quarantine")).scalar() == 2
        page, _ = queries.audit_page(connection, kind="quarantined")
    assert page[-1]["body"] == {
        "partition": 0,
        "events": 2,
        "first_offset": 3,
        "last_offset": 7,
        "models": ["fraud-eu"],
        "reason": "it raised",
    }


def test_models_are_kept_as_the_bank_knows_them_but_kinds_stay(database: Database, taken: Taken) -> None:
    seen = ModelSeen("fraud-eu", 10.0, 20.0, 5, ["1"], {"inputs.x": "number"})
    commit_step(database, step(1), Changes(), {}, 0, models=[seen])
    later = ModelSeen("fraud-eu", 15.0, 30.0, 12, ["1", "2"], {"inputs.x": "text", "inputs.y": "category"})
    commit_step(database, step(2), Changes(), {}, 0, models=[later, ModelSeen("other", 1.0, None, 0)])
    counted = ModelSeen("fraud-eu", 15.0, 25.0, 13, late_by=7200.0, estimates=[{"rule": "p/R"}])
    commit_step(database, step(3), Changes(), {}, 0, models=[counted])
    with database.read() as connection:
        first, second = queries.models(connection)
    assert first == {
        "model": "fraud-eu",
        "first_seen": "1970-01-01T00:00:10Z",
        "last_seen": "1970-01-01T00:00:30Z",
        "events": 13,
        "late_by": 7200.0,
        "estimates": [{"rule": "p/R"}],
        "versions": ["1", "2"],
        "columns": {"inputs.x": "number", "inputs.y": "category"},
        "retired_at": None,
    }
    assert second["last_seen"] is None


# -- people -------------------------------------------------------------------------------------------------------


def test_a_step_decided_before_a_person_wrote_is_stale_and_writes_nothing(
    database: Database, taken: Taken, make: Any
) -> None:
    with database.write(1000.5) as tx:
        assert bump_desk(tx, 0) == 1
    with pytest.raises(Stale) as caught:
        commit_step(database, step(1, end=5), make.opened("i-1"), {"observed": 5}, 0)
    assert caught.value.desk_seq == 1
    assert view(database).incidents == {}
    assert view(database).desk_seq == 1
    commit_step(database, step(1, end=5), make.opened("i-1"), {"observed": 5}, 1)
    with database.read() as connection:
        assert desk_seq(connection, 0) == 1
        assert desk_seq(connection, 9) == 0


def test_a_change_that_concerns_all_bumps_every_partition(database: Database, taken: Taken) -> None:
    take_partition(database, 1, 1000.0)
    with database.write(1001.0) as tx:
        bump_desk(tx, 1)
        assert bump_desk(tx) == 2
        assert bump_desk(tx, 5) == 0
    with database.read() as connection:
        assert [desk_seq(connection, p) for p in (0, 1)] == [1, 2]


def test_wanted_marks_wait_until_a_step_places_them_and_are_placed_once(database: Database, taken: Taken) -> None:
    with database.write(1000.5) as tx:
        first = want_mark(tx, 0, {"kind": "rearm", "at": 1.0, "model": "a"})
        second = want_mark(tx, 0, {"kind": "freeze", "at": 1.0, "model": "b"})
        want_mark(tx, 1, {"kind": "freeze", "at": 1.0, "model": "c"})
    with database.read() as connection:
        found = wanted_marks(connection, 0)
    assert found == [
        (first, {"kind": "rearm", "at": 1.0, "model": "a"}),
        (second, {"kind": "freeze", "at": 1.0, "model": "b"}),
    ]
    commit_step(database, step(1), Changes(), {}, 0, placed_marks=[first])
    with database.read() as connection:
        assert [id_ for id_, _ in wanted_marks(connection, 0)] == [second]
    with pytest.raises(RuntimeError, match="were wanted"):
        commit_step(database, step(2), Changes(), {}, 0, placed_marks=[first, second])
    with database.read() as connection:
        assert [id_ for id_, _ in wanted_marks(connection, 0)] == [second]


def test_the_view_holds_what_matters_and_not_what_is_over(database: Database, taken: Taken, make: Any) -> None:
    day = 24 * 3600.0
    changes = make.opened("open", "recent", "old")
    changes.incidents["recent"] = replace(changes.incidents["recent"], state="closed", closed_at=100_000.0)
    changes.incidents["old"] = replace(changes.incidents["old"], state="closed", closed_at=100_000.0 - day)
    commit_step(database, step(1), changes, {}, 0)
    with database.write(100_000.0) as tx:
        for id_, ends_at in (("over", 100_100.0), ("in force", 100_200.0)):
            add_silence(tx, make.silence(id_, starts_at=100_000.0, ends_at=ends_at))
    found = view(database, 100_100.0)
    assert set(found.incidents) == {"open", "recent"}
    decided = OnRecord(100.0)
    assert found.recorded == {"open": {"n-open": decided}, "recent": {"n-recent": decided}}
    assert [silence.id for silence in found.silences] == ["in force"]


def test_a_partition_sees_only_its_own_models_if_told_which(database: Database, taken: Taken, make: Any) -> None:
    changes = make.opened("i-1", "i-2")
    changes.incidents["i-2"] = replace(changes.incidents["i-2"], model="other")
    changes.rule_states = {("r", m, "", False): make.state(rule="r", model=m) for m in ("fraud-eu", "other")}
    commit_step(database, step(1), changes, {}, 0)
    with database.read() as connection:
        found = load_view(connection, 0, 1001.0, owns=lambda model: model == "other")
    assert set(found.incidents) == {"i-2"}
    assert set(found.recorded) == {"i-2"}
    assert [key[1] for key in found.rule_states] == ["other"]


def test_books_are_kept_by_digest_and_never_replaced(database: Database) -> None:
    with database.write(1.0) as tx:
        put_book(tx, "d1", {"base/pack.yaml": "pack: base\n"})
        put_book(tx, "d1", {"base/pack.yaml": "forged"})
    with database.read() as connection:
        assert get_book(connection, "d1") == {"base/pack.yaml": "pack: base\n"}
        assert get_book(connection, "d2") is None


def test_a_step_without_changes_is_cheap(sqlite_ledger: Path) -> None:
    """Not a promise, a guard: the plan's figure is a commit in well under a millisecond beside its fsync."""
    with Database.open(sqlite_ledger) as database:
        take_partition(database, 0, 1000.0)
        seen = [ModelSeen("fraud-eu", 1.0, 2.0, 3, ["1"], {f"inputs.x{n}": "number" for n in range(14)})]
        for seq in range(1, 21):
            commit_step(database, step(seq), Changes(), {"observed": seq}, 0, models=seen)
        began, count = time.perf_counter(), 300
        for seq in range(21, 21 + count):
            commit_step(database, step(seq, end=seq), Changes(), {"observed": seq}, 0)
        empty = (time.perf_counter() - began) / count
        began = time.perf_counter()
        for seq in range(21 + count, 21 + 2 * count):
            commit_step(database, step(seq, end=seq), Changes(), {"observed": seq}, 0, models=seen)
        with_model = (time.perf_counter() - began) / count
    print(f"commit_step: {empty * 1e3:.2f} ms without changes, {with_model * 1e3:.2f} ms with one model seen")
    assert empty < 0.05
