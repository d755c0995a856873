"""The pump on a real ledger and spool, with a clock that stands until it is moved."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress

import pytest
from pumping import PACK, T0, World, answers, heard, said
from sqlalchemy import delete, select

from monitor.clock import ScriptedClock
from monitor.runtime.pace import Appetite, Ticks
from monitor.runtime.pump import Stopped
from monitor.spool import Flags
from monitor.store.database import Database, LedgerUnavailable
from monitor.store.ledger import Fenced, take_partition
from monitor.store.tables import partitions, wanted_marks

LOW = {"confidence": 0.1}
Worlds = Callable[..., World]


class Interrupting(ScriptedClock):
    """The pump reads the clock after it has looked at the ledger: then `meanwhile` happens, once."""

    meanwhile: Callable[[], object] | None = None

    def now(self) -> float:
        act, self.meanwhile = self.meanwhile, None
        if act is not None:
            act()
        return super().now()


class Patience(threading.Event):
    """Told that the pump waits, it does `then` on the second time."""

    def __init__(self, then: Callable[[], object]) -> None:
        super().__init__()
        self.waits, self.then = 0, then

    def wait(self, timeout: float | None = None) -> bool:
        self.waits += 1
        if self.waits == 2:
            self.then()
        return self.is_set()


# -- steps and ticks ------------------------------------------------------------------------------------------------


def test_a_step_takes_what_has_come_and_moves_the_cursor(world: World) -> None:
    world.post(*answers(7))
    world.truth({"id": "e1", "truth": {"label": 1}})
    assert world.pump().turn()
    (step,) = world.steps()
    assert (step.seq, step.first, step.end, step.at, step.epoch) == (1, 0, 8, T0, 1)
    assert step.book == world.shelf.current.digest
    standing = world.standing()
    assert (standing.seq, standing.cursor, standing.at) == (1, 8, T0)
    assert standing.totals == {"observed": 7, "quarantined": 0, "findings": 0}


def test_without_records_and_marks_there_is_no_step(world: World) -> None:
    world.drain()
    assert not world.pump().turn()
    assert len(world.steps()) == 1  # the one that placed the rule book


def test_a_step_takes_whole_records_up_to_its_limit(world: World) -> None:
    for _ in range(5):
        world.post(*answers(10))
    assert world.pump().turn(limit=15)
    assert world.pump().cursor == 20


def test_all_rules_are_looked_at_every_fifteen_seconds(world: World) -> None:
    world.run(60, each=1.0)
    assert [mark.at - T0 for mark in world.marks("tick")] == [0, 15, 30, 45, 60]


def test_busy_times_hold_no_tick_up(world: World) -> None:
    for _ in range(40):
        world.post(*answers(1))
        world.run(1.0)
    assert [mark.at - T0 for mark in world.marks("tick")] == [0, 15, 30]


def test_a_condition_fires_at_the_end_of_its_for_and_not_at_the_next_tick_of_the_grid(world: World) -> None:
    world.run(3)
    world.post(*answers(5, context={"latency_ms": 900}))
    world.run(25, each=1.0)
    (incident,) = world.incidents("Slow")
    assert incident["opened_at"].endswith("23Z")  # 3 s + 20 s: the grid has 15 and 30
    assert T0 + 23 in [mark.at for mark in world.marks("tick")]


def test_restarts_change_no_tick(make_world: Worlds) -> None:
    calm, shaken = make_world(), make_world()
    for world in (calm, shaken):
        for second in range(50):
            if second % 7 == 3:
                world.post(*answers(3, context={"latency_ms": 900}))
            world.run(1.0)
            if world is shaken:
                world.restart()
    ticks = [[(step.seq, step.at) for step in world.steps()] for world in (calm, shaken)]
    assert ticks[0] == ticks[1]
    assert calm.decided() == shaken.decided()


def test_the_ticks_ahead_are_those_of_the_grid_and_of_what_is_pending() -> None:
    ticks = Ticks(deadlines=(20.0, 33.0))
    assert [ticks.next(at) for at in (0.0, 15.0, 20.0, 30.0, 33.0)] == [15.0, 20.0, 30.0, 33.0, 45.0]
    assert ticks.due(15.0, 20.0) and not ticks.due(20.0, 29.9)


def test_a_step_takes_less_where_events_are_dear_and_more_where_they_are_cheap() -> None:
    appetite = Appetite(2_000)
    appetite.learn(2_000, 5.0)
    assert appetite.events == 1_000
    for _ in range(9):
        appetite.learn(appetite.events, 60.0)
    assert appetite.events == 500
    appetite.learn(10, 0.001)
    assert appetite.events == 500  # a small step says nothing about a large one
    for _ in range(9):
        appetite.learn(appetite.events, 0.01)
    assert appetite.events == 20_000


# -- marks ----------------------------------------------------------------------------------------------------------


def test_each_wanted_mark_is_placed_once(world: World) -> None:
    world.post(*answers(3))
    world.drain()
    for kind in ("rearm", "reference", "freeze", "unfreeze"):
        world.want(kind=kind, model="m", rule="tests/Moved")
    world.want(kind="kinds", model="m", body={"column": "inputs.x", "kind": "category"})
    world.drain()
    world.restart()
    world.run(30)
    assert world.placed() == [
        ("book", 1),
        *((kind, 2) for kind in ("rearm", "reference", "freeze", "unfreeze", "kinds")),
    ]
    kinds = [mark.kind for mark in world.marks("rearm", "reference", "freeze", "unfreeze", "kinds", "book")]
    assert kinds == ["book", "rearm", "reference", "freeze", "unfreeze", "kinds"]
    assert world.pump().bank.models["m"].columns.kinds["inputs.x"] == "category"


def test_a_mark_wanted_during_a_step_is_placed_in_the_next(world: World) -> None:
    world.clock = world.desk.clock = clock = Interrupting(T0)
    world.drain()
    world.post(*answers(1))
    clock.meanwhile = lambda: world.want(kind="rearm", model="m")
    assert world.pump().turn()
    assert world.placed()[-1] == ("rearm", None)
    assert world.pump().turn()
    assert world.placed()[-1] == ("rearm", 3)


def test_a_reload_is_one_mark_and_unchanged_rules_keep_their_memory(world: World) -> None:
    world.post(*answers(20))
    world.drain()
    began = {key: watcher.describe()["since"] for key, watcher in world.pump().bank.models["m"].watchers.items()}
    world.clock.advance(10)
    changed = PACK.replace("above: 50%", "above: 70%").replace("absent: {for: 3m}", "absent: {for: 4m}")
    world.load(changed + '- alert: New\n  count: {of: "output.label == 7", above: 1, over: 1m}\n  severity: low\n')
    world.post(*answers(1))
    world.drain()
    part = world.pump().bank.models["m"]
    since = {key: watcher.describe()["since"] for key, watcher in part.watchers.items()}
    kept = {key for key in began if since[key] == began[key]}
    assert kept == {"tests/Slow", "tests/Moved", "tests/Wrong"}
    assert list(part.watchers) == [f"tests/{n}" for n in ("Low", "Slow", "Silent", "Moved", "Wrong", "New")]
    assert world.placed() == [("book", 1), ("book", 2)]
    assert world.standing().book == world.shelf.current.digest


def test_a_partition_that_nobody_asked_to_change_over_takes_the_book_in_force(make_world: Worlds) -> None:
    world = make_world(partitions=2)
    world.drain()
    assert world.marks("book") and world.pump(1).turn()
    with world.database.write(T0) as tx:  # as if the partition had been added after the rules were loaded
        tx.connection.execute(delete(wanted_marks).where(wanted_marks.c.partition == 1))
        tx.connection.execute(partitions.update().where(partitions.c.partition == 1).values(book=""))
    world.kill()
    assert world.pump(1).turn()
    assert world.standing(1).book == world.shelf.current.digest


# -- people and other engines ---------------------------------------------------------------------------------------


def test_a_person_who_acknowledges_between_observing_and_committing_is_heard(world: World) -> None:
    world.clock = world.desk.clock = clock = Interrupting(T0)
    world.post(*answers(5, 0.1))
    world.drain()
    (incident,) = world.incidents("Low")
    clock.advance(61)
    world.post(*answers(5, 0.9))
    clock.meanwhile = lambda: world.desk.acknowledge(incident["id"], "ana", "operator")
    world.drain()
    (after,) = world.incidents("Low")
    assert (after["state"], after["acknowledged_by"]) == ("acknowledged", "ana")  # not "recovered", as decided before
    assert world.pump().bank.models["m"].events == 10  # observed once, decided twice
    assert [step.end for step in world.steps()][-1] == 10


def test_an_engine_that_lost_its_partition_stops_with_a_reason_and_writes_nothing(world: World) -> None:
    old = world.pump()
    world.drain()
    take_partition(world.database, 0, T0)
    world.post(*answers(1))
    with pytest.raises(Fenced, match=r"Partition 0 was taken by another engine \(its epoch is 2, ours 1\)"):
        old.turn()
    assert world.standing().cursor == 0 and len(world.steps()) == 1


def test_a_ledger_that_cannot_be_had_is_waited_for_in_sight_of_everybody(world: World) -> None:
    world.drain()
    with Database.open(world.folder / "ledger.db", patience=0.2) as other:
        blocking = other.write(T0)
        blocking.__enter__()
        pump = world.pump()
        seen: list[tuple[str, int]] = []

        def give_back() -> None:
            seen.append((pump.pace.waiting, pump.pace.beats))
            blocking.__exit__(None, None, None)

        pump.stop = Patience(give_back)
        world.post(*answers(4))
        with heard() as logs:
            assert pump.turn()
    assert seen == [("ledger", 2)]  # each look is a beat: a named wait is no hang
    assert len(said(logs, "waiting_ledger")) == 1  # and one line says so
    assert world.standing().totals["observed"] == 4 and pump.bank.models["m"].events == 4


def test_told_to_stop_while_it_waits_it_leaves_nothing_of_the_uncommitted_step(world: World) -> None:
    world.drain()
    pump = world.pump()
    with Database.open(world.folder / "ledger.db", patience=0.2) as other:
        world.post(*answers(4))
        with other.write(T0), pytest.raises(Stopped):
            pump.stop = Patience(lambda: pump.stop.set())
            pump.turn()
        pump.run(_Nobody())  # ends at once and writes what it may
    assert world.standing().cursor == 0
    world.restart()
    world.drain()
    assert world.pump().bank.models["m"].events == 4


class _Nobody:
    def wait(self, timeout: float) -> bool:
        raise AssertionError("nothing to wait for")


def test_a_ledger_lost_between_a_refused_commit_and_the_next_decision_costs_no_event(world: World) -> None:
    world.clock = world.desk.clock = clock = Interrupting(T0)
    world.post(*answers(5, 0.1))
    world.drain()
    (incident,) = world.incidents("Low")
    world.post(*answers(5, 0.1))
    readers = ExitStack()

    def act_and_take_all_readers() -> None:
        world.desk.acknowledge(incident["id"], "ana", "operator")
        with suppress(LedgerUnavailable):
            while True:
                readers.enter_context(world.database.read()).execute(select(1))

    clock.meanwhile = act_and_take_all_readers
    pump = world.pump()
    pump.stop = Patience(readers.close)
    assert pump.turn() and pump.stop.waits == 2
    assert world.standing().totals["observed"] == 10 and pump.bank.models["m"].events == 10
    assert world.incidents("Low")[0]["state"] == "acknowledged"


# -- gaps -----------------------------------------------------------------------------------------------------------


def test_time_while_no_engine_ran_is_no_silence_of_a_model(world: World) -> None:
    world.post(*answers(3))
    world.run(60)
    world.kill()
    world.clock.advance(3600)
    world.run(60)
    (gap,) = world.marks("gap")
    assert (gap.body["from"] - T0, gap.body["to"] - T0) == (60, 3660)
    assert world.entries("gap") == [{"partition": 0, "from": T0 + 60, "to": T0 + 3660}]
    assert world.incidents("Silent") == []
    world.run(70)  # 60 s before the gap and 130 s after it
    assert len(world.incidents("Silent")) == 1


def test_a_process_that_was_stopped_for_a_while_notices_that_nobody_watched(world: World) -> None:
    world.post(*answers(3))
    world.run(30)
    world.clock.advance(3600)  # SIGSTOP, or a machine that slept
    world.run(30)
    (gap,) = world.marks("gap")
    assert (gap.body["from"] - T0, gap.body["to"] - T0) == (30, 3630)
    assert world.incidents("Silent") == []


def test_a_quick_restart_is_no_gap(world: World) -> None:
    world.run(20)
    world.kill()
    world.clock.advance(9)
    world.run(20)
    assert world.marks("gap") == []


def test_a_backlog_is_judged_as_of_when_its_events_were_recorded(world: World) -> None:
    """While the engine is away the front goes on: what tripped then must be seen although its minute is over."""
    world.post(*answers(3))
    world.drain()
    world.kill()
    for minute in range(5):
        world.post(*answers(20, 0.1 if minute == 1 else 0.9))
        world.clock.advance(70)
    while world.pump().turn(limit=20):
        pass
    (incident,) = world.incidents("Low")
    assert incident["state"] == "recovered"
    (behind, *_) = world.marks("behind")
    assert behind.body == {"to": T0} and behind.at == T0 + 350
    assert world.incidents("Silent") == []


# -- kinds of records -----------------------------------------------------------------------------------------------


def test_truth_is_observed_and_not_counted_as_events(world: World) -> None:
    world.post(*answers(10))
    world.truth(*({"id": f"e{i + 1}", "truth": {"label": 1 - i % 2}} for i in range(10)))
    world.drain()
    assert world.standing().totals["observed"] == 10
    assert world.standing().cursor == 20
    assert len(world.incidents("Wrong")) == 1


def test_old_events_of_a_file_open_a_historical_incident_that_owes_nothing(world: World) -> None:
    old = [{**answer, "at": "2020-01-01T00:00:00Z"} for answer in answers(10, 0.1)]
    world.post(*old, flags=Flags(event_time=True, live=False, source="file"))
    world.run(30)
    (incident,) = world.incidents("Low")
    assert incident["historical"] and world.notices() == []
    assert world.incidents("Silent") == []  # a model that is read from a file is not expected to go on


def test_old_events_that_are_said_to_be_live_call_people(world: World) -> None:
    old = [{**answer, "at": "2020-01-01T00:00:00Z"} for answer in answers(10, 0.1)]
    world.post(*old, flags=Flags(event_time=True, live=True, source="file"))
    world.run(30)
    (incident,) = world.incidents("Low")
    assert not incident["historical"] and ("opened", "phone") in world.notices()


@pytest.mark.parametrize("window", [0.05, 0.0, 3.0])
def test_what_is_behind_waits_for_no_more_events(world: World, window: float) -> None:
    world.drain()
    pump, waits = world.restart(window=window), list[float]()
    pump.appetite = Appetite(500)

    class Stop(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            waits.append(timeout or 0.0)
            self.set()  # the step that left nothing waits for events to gather; end there
            return True

    for _ in range(3):
        world.post(*answers(500))
    world.post(*answers(3))
    pump.stop = Stop()
    pump.run(_Nobody())
    assert world.standing().totals["observed"] == 1503 and len(waits) == 1
    assert max(0.0, window - 2.0) <= waits[0] <= window
