"""A bank is brought back from snapshots and recorded steps, or from an older snapshot, or from nothing but the spool;
what cannot be brought back is said.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pumping import PACK, T0, World, answers, heard, said

from monitor.core.bank import Bank
from monitor.core.rules.model import Book
from monitor.core.state import StateError, dump
from monitor.runtime.look import LookError, look
from monitor.runtime.restore import INDEX
from monitor.spool import Limits, Options, Retention, Spool
from monitor.store.ledger import forget_steps

Worlds = Callable[..., World]


def a_history(world: World, models: tuple[str, ...] = ("m1", "m2", "m3"), rounds: int = 4) -> None:
    """Some rounds of events of several models, with ticks between."""
    for _ in range(rounds):
        for model in models:
            world.post(*answers(5, model=model))
        world.run(20)


def files(world: World, model: str) -> list[Path]:
    """The snapshots of a model, the oldest first."""
    return [path for _, path in world.snapshots._generations(model)]


def replay_everything(world: World) -> str:
    """What an engine remembers that has nothing but the ledger and the spool."""
    for path in (world.folder / "snapshots").rglob("*.snap"):
        path.unlink()
    return world.restart().bank.digest()


def test_a_bank_comes_back_from_snapshots_alone(world: World) -> None:
    a_history(world)
    world.save()
    digest = world.pump().bank.digest()
    with heard() as logs:
        assert world.restart().bank.digest() == digest
    (line,) = (entry for entry in logs if entry["action"] == "restored")
    assert line["replayed"] == 0


def test_a_bank_comes_back_from_steps_alone(world: World) -> None:
    a_history(world)
    digest = world.pump().bank.digest()
    assert world.restart().bank.digest() == digest
    assert world.pump().losses == ()


def test_a_bank_comes_back_from_snapshots_of_different_steps(world: World) -> None:
    """Every model is as of another step, and the index as of a third."""
    world.drain()
    for model in ("m3", "m1", "m2"):
        a_history(world, rounds=1)
        bank = world.pump().bank
        world.snapshots.write(INDEX, bank.seq, bank.dump_index())
        a_history(world, rounds=1)
        bank = world.pump().bank
        world.snapshots.write(model, bank.seq, bank.dump(model))
    digest = world.pump().bank.digest()
    assert world.restart().bank.digest() == digest
    world.load(PACK.replace("3m", "5m"))
    a_history(world, rounds=1)
    digest = world.pump().bank.digest()
    assert world.restart().bank.digest() == digest
    assert replay_everything(world) == digest


def test_a_model_first_met_after_the_index_was_written_is_made_again(world: World) -> None:
    a_history(world, ("m1",))
    world.save()
    a_history(world, ("m1", "m9"), rounds=1)
    bank = world.pump().bank
    world.snapshots.write("m9", bank.seq, bank.dump("m9"))  # killed between this and the index
    digest = bank.digest()
    assert world.restart().bank.digest() == digest


def test_a_damaged_snapshot_gives_way_to_the_one_before(world: World) -> None:
    a_history(world)
    world.save()
    a_history(world)
    world.save()
    digest = world.pump().bank.digest()
    newest = files(world, "m2")[-1]
    newest.write_bytes(newest.read_bytes()[:-40])
    world.restart()
    assert world.pump().bank.digest() == digest and world.pump().losses == ()


def test_a_model_without_a_readable_snapshot_is_rebuilt_from_its_first_step_and_that_is_said(world: World) -> None:
    a_history(world, ("m1",))
    a_history(world)
    world.save()
    digest = world.pump().bank.digest()
    for path in files(world, "m2"):
        path.write_bytes(b"rubbish")
    with heard() as logs:
        assert world.restart().bank.digest() == digest
    said_ = said(logs, "restore_loss")
    assert any("No snapshot of model m2 can be used" in s and "rebuilt from the spool" in s for s in said_), said_
    (line,) = (entry for entry in logs if entry["action"] == "restored")
    assert 0 < line["replayed"] < world.sent  # from the first step of m2 on
    assert world.pump().losses == ()


def test_a_damaged_index_costs_time_and_no_memory(world: World) -> None:
    a_history(world)
    world.save()
    digest = world.pump().bank.digest()
    bank = world.pump().bank
    world.snapshots.write(INDEX, bank.seq, dump({"v": 99}))
    with heard() as logs:
        assert world.restart().bank.digest() == digest
    assert any("index of snapshots cannot be used" in s for s in said(logs, "restore_loss"))


def test_what_neither_snapshot_nor_spool_holds_is_lost_in_sight(make_world: Worlds, tmp_path: Path) -> None:
    world = make_world()
    world.spool.close()
    small = Options(limits=Limits(segment_bytes=22_500), retention=Retention(seconds=10.0))
    world.spool = Spool.open(world.folder / "spool", options=small)
    a_history(world, rounds=8)
    world.save()
    a_history(world, rounds=8)
    assert world.spool.trim(0, world.pump().cursor // 2, world.clock.now())
    oldest = world.spool.oldest_replayable(0).offset
    assert 0 < oldest <= 120
    with world.database.write(world.clock.now()) as tx:
        forget_steps(tx, 0, oldest)
    for path in files(world, "m2"):
        path.unlink()
    world.restart()
    losses = list(world.pump().losses)
    assert losses[0].startswith("Steps 1 to ") and "are no longer recorded" in losses[0]
    world.drain()
    (gap,) = world.marks("gap")
    assert gap.body["losses"] == losses
    assert world.entries("gap")[0]["losses"] == losses
    assert world.pump().bank.models["m2"].events < world.pump().bank.models["m1"].events == 80
    with heard() as logs:
        assert replay_everything(world) and world.pump().losses == ()  # a step has recorded it: that is no new loss
    assert losses[0] in [entry["event"] for entry in logs]


def test_events_gone_from_the_spool_are_named(world: World) -> None:
    world.spool.close()
    small = Options(limits=Limits(segment_bytes=22_500), retention=Retention(seconds=10.0))
    world.spool = Spool.open(world.folder / "spool", options=small)
    a_history(world, rounds=16)
    assert world.spool.trim(0, world.pump().cursor, world.clock.now())
    world.restart()
    (loss,) = world.pump().losses
    assert loss.startswith(f"{world.spool.oldest_replayable(0).offset:,} events from offset 0 to ")


def test_a_snapshot_of_a_future_that_the_ledger_does_not_know_is_removed(world: World) -> None:
    a_history(world, rounds=1)
    bank = world.pump().bank
    world.snapshots.write("m1", bank.seq + 1, dump({"not": "ours"}))
    world.snapshots.write(INDEX, bank.seq + 1, dump({"not": "ours"}))
    digest = bank.digest()
    assert world.restart().bank.digest() == digest
    assert files(world, "m1") == [] and files(world, INDEX) == []
    a_history(world, rounds=1)  # the numbers of those steps are given again
    digest = world.pump().bank.digest()
    assert world.restart().bank.digest() == digest


def test_a_retired_model_leaves_nothing_behind_and_may_come_back(world: World) -> None:
    a_history(world)
    world.save()
    world.desk.retire_model("m2", "replaced by m3", "ana", "admin")
    world.drain()
    assert sorted(world.pump().bank.models) == ["m1", "m3"] and files(world, "m2") == []
    assert sorted(world.restart().bank.models) == ["m1", "m3"]
    a_history(world, rounds=1)
    assert world.pump().bank.models["m2"].events == 5
    digest = world.pump().bank.digest()
    assert world.restart().bank.digest() == digest
    world.save()
    for path in files(world, "m1"):
        path.unlink()  # now the steps from before the retirement are run again
    assert world.restart().bank.digest() == digest
    assert world.pump().bank.models["m2"].events == 5
    assert replay_everything(world) == digest


def test_events_recorded_before_a_model_was_retired_do_not_bring_it_back(world: World) -> None:
    world.post(*answers(5, model="m2"), *answers(5, model="m1"))
    world.drain()
    world.clock.advance(1.0)
    world.post(*answers(5, model="m2"))  # waits while a person retires the model
    world.post(*answers(5, model="m2"))
    world.clock.advance(1.0)
    world.desk.retire_model("m2", "replaced", "ana", "admin")
    world.pump().turn(5)
    assert list(world.pump().bank.models) == ["m1"]
    world.save()
    world.restart().turn(5)  # the rest of what waited, in a step of its own
    assert list(world.pump().bank.models) == ["m1"]
    assert world.standing().totals["observed"] == 20  # taken, and nobody watches them
    world.clock.advance(1.0)
    world.post(*answers(3, model="m2"))
    world.drain()
    assert world.pump().bank.models["m2"].events == 3  # its traffic goes on: it is watched as a new one
    digest = world.pump().bank.digest()
    assert world.restart().bank.digest() == digest and replay_everything(world) == digest


def test_one_step_may_hold_the_end_of_a_retired_model_and_the_beginning_of_the_new_one(world: World) -> None:
    world.post(*answers(5, model="m2"))
    world.drain()
    world.clock.advance(1.0)
    world.post(*answers(4, model="m2"))
    world.clock.advance(1.0)
    world.desk.retire_model("m2", "replaced", "ana", "admin")
    world.clock.advance(1.0)
    world.post(*answers(3, model="m2"))
    world.drain()
    assert world.pump().bank.models["m2"].events == 3
    digest = world.pump().bank.digest()
    assert replay_everything(world) == digest


def test_a_snapshot_of_an_earlier_model_of_that_name_is_not_taken_for_the_later_one(world: World) -> None:
    a_history(world)
    world.save()
    stale = {path.name: path.read_bytes() for path in files(world, "m2")}
    world.desk.retire_model("m2", "replaced", "ana", "admin")
    a_history(world)
    world.save()
    digest = world.pump().bank.digest()
    for path in files(world, "m2"):
        path.unlink()
    for name, data in stale.items():
        (world.folder / "snapshots" / "0" / name).write_bytes(data)
    assert world.restart().bank.digest() == digest


def test_rule_books_that_can_no_longer_be_read_are_stood_in_for(world: World) -> None:
    a_history(world, rounds=1)
    old = world.shelf.current.digest
    world.load(PACK.replace("3m", "5m"))
    a_history(world, rounds=1)
    resolve = world.books

    def forgetful(digest: str) -> Book:
        if digest == old:
            raise KeyError(f"the ledger does not hold the rule book {digest}")
        return resolve(digest)

    world.books = forgetful
    world.restart()
    (loss,) = world.pump().losses
    assert f"The rule book {old[:12]} can no longer be read" in loss
    assert world.pump().bank.models["m1"].events == 10
    assert world.pump().bank.book.digest == world.shelf.current.digest


def test_a_state_of_another_version_is_refused_as_a_whole() -> None:
    bank = Bank(0, Book((), ""))
    with pytest.raises(StateError, match="version 99, this program reads 2"):
        bank.restore(dump({"v": 99, "name": "m", "book": "", "since": 0.0}), 1, 1, lambda _: Book((), ""))
    with pytest.raises(StateError, match="no state of a model"):
        bank.restore(dump({"v": 1}), 1, 1, lambda _: Book((), ""))
    assert bank.models == {}


def test_progress_is_told_of_while_steps_are_run_again(world: World) -> None:
    a_history(world)
    heard_: list[int] = []
    world.restart(progress=lambda: heard_.append(1))
    assert len(heard_) == len(world.steps())


def test_a_bank_is_looked_at_from_outside_without_disturbing_it(world: World) -> None:
    a_history(world)
    epoch = world.standing().epoch
    seen = look(world.folder, 1, "m1")
    assert set(seen) == {"tests/Low", "tests/Slow", "tests/Silent", "tests/Moved", "tests/Wrong"}
    assert seen["tests/Low"]["since"] == T0
    assert look(world.folder, 1, "nobody") == {}
    assert world.standing().epoch == epoch and world.pump().turn() is False


def test_looking_where_there_is_nothing_says_so(tmp_path: Path) -> None:
    with pytest.raises(LookError, match="There is no ledger in"):
        look(tmp_path, 1, "m")
