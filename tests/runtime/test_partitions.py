"""Two partitions on one ledger: each has its own pump, its own marks and its own part of the desk's deadlines."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pumping import PACK, World, answers

from monitor.runtime.desk import Desk
from monitor.spool import partition_of
from monitor.store.ledger import desk_seq, wanted_marks

NAMES = [f"m{i}" for i in range(20)]
OWN = [[name for name in NAMES if partition_of(name, 2) == p] for p in (0, 1)]


def where(model: str) -> int:
    return partition_of(model, 2)


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    """Both pumps run; model 0 of each partition answers badly."""
    silent = f"absent: {{for: 1m, expect: [{', '.join(NAMES[:6])}]}}"
    world = make_world(partitions=2, pack=PACK.replace("absent: {for: 3m}", silent))
    for p in (0, 1):
        world.pump(p, owns=lambda model, p=p: where(model) == p)
    return world


def turn(world: World) -> None:
    for p in (0, 1):
        while world.pump(p).turn():
            pass


def seqs(world: World) -> list[int]:
    with world.database.read() as connection:
        return [desk_seq(connection, p) for p in (0, 1)]


def a_desk(world: World) -> Desk:
    book = world.shelf.current
    return Desk(world.database, world.clock, world.policy, lambda: book, partition_of=where, partitions=2)


def test_each_pump_watches_its_own_models_and_expects_only_those(world: World) -> None:
    for p in (0, 1):
        for name in OWN[p]:
            world.post(*answers(3, 0.1 if name in NAMES[6:8] else 0.9, model=name), partition=p)
    for _ in range(8):
        turn(world)
        world.clock.advance(10)
    assert [sorted(world.pump(p).bank.models) for p in (0, 1)] == [sorted(names) for names in OWN]
    assert sorted(i["model"] for i in world.incidents("Low")) == sorted(NAMES[6:8])
    silent = [i["model"] for i in world.incidents("Silent")]
    assert silent and len(silent) == len(set(silent))
    views = [{i.model for i in world.pump(p).view.incidents.values()} for p in (0, 1)]
    assert views[0] and views[1] and not views[0] & views[1]


def test_deadlines_are_kept_partition_by_partition(world: World) -> None:
    world.post(*answers(5, 0.1, model=OWN[1][0]), partition=1)
    turn(world)
    desk, before = a_desk(world), seqs(world)
    assert desk.deadlines(world.clock.now()) == world.clock.now() + 5  # the call, after its wait
    world.clock.advance(5)
    desk.deadlines(world.clock.now())
    assert world.notices() == [("opened", "phone")]
    after = seqs(world)
    assert after[0] == before[0] and after[1] > before[1]  # the other pump need not decide again


def test_what_a_person_does_reaches_the_pump_of_the_model(world: World) -> None:
    name = OWN[1][0]
    world.post(*answers(5, model=name), partition=1)
    turn(world)
    a_desk(world).rearm(name, None, "looked into", "ana", "admin")
    with world.database.read() as connection:
        assert [len(wanted_marks(connection, p)) for p in (0, 1)] == [0, 1]
    turn(world)
    assert [mark.kind for step in world.steps(1) for mark in step.marks if mark.kind == "rearm"] == ["rearm"]


def test_a_restart_brings_each_partition_back_by_itself(world: World) -> None:
    for p in (0, 1):
        world.post(*answers(5, model=OWN[p][0]), partition=p)
    turn(world)
    world.pump(1).rotation.all()
    digests = [world.pump(p).bank.digest() for p in (0, 1)]
    world.kill()
    for p in (0, 1):
        pump = world.pump(p, owns=lambda model, p=p: where(model) == p)
        assert pump.bank.digest() == digests[p] and pump.epoch == 2


def test_models_that_moved_to_another_partition_are_let_go_by_the_old_one(make_world: Callable[..., World]) -> None:
    """Somebody raised the number of partitions: a model has one watch, and starts learning afresh there."""
    world = make_world(partitions=1)
    for name in (OWN[0][0], OWN[1][0]):
        world.post(*answers(5, model=name))
    world.run(5)
    world.save()
    world.kill()
    assert list(world.pump(owns=lambda model: where(model) == 0).bank.models) == [OWN[0][0]]
