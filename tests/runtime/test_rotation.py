"""When snapshots are written, which ones, and what lets the spool go."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pumping import World, answers, heard, said

from monitor.app.housekeeping import retain
from monitor.core.bank import Bank
from monitor.core.rules.model import Book
from monitor.core.step import Step, observe
from monitor.formats.decode import to_batches
from monitor.runtime.restore import INDEX
from monitor.runtime.rotation import AT_ONCE, READ, Rotation
from monitor.spool import Flags, Limits, Options, Record, Retention, Spool
from monitor.store.snapshots import Snapshots

BOOK = Book((), "")


def a_bank(models: int) -> Bank:
    bank = Bank(0, BOOK)
    observe_one(bank, *(f"m{i:03}" for i in range(models)))
    return bank


def observe_one(bank: Bank, *models: str) -> None:
    lines = b"\n".join(b'{"id":"%d-%d","model":"%s"}' % (bank.seq, i, m.encode()) for i, m in enumerate(models))
    record = Record(0, 0, len(models), "events", 0.0, Flags(), lines)
    observe(bank, Step(0, bank.seq + 1, 1, 0, len(models), 0.0, ""), to_batches([record]), lambda _: BOOK)


def as_of(snapshots: Snapshots, name: str) -> int:
    found = snapshots.newest(name, 10**9)
    return 0 if found is None else found.seq


def test_nothing_is_owed_by_a_bank_that_was_just_saved(tmp_path: Path) -> None:
    bank = a_bank(3)
    rotation = Rotation(Snapshots(tmp_path), bank)
    rotation.worked(1.5)
    assert rotation.owed == 1.5 + READ
    rotation.all()
    assert rotation.owed == 0.0
    rotation.worked(0.5)
    assert rotation.owed == pytest.approx(0.5 + READ)


def test_the_work_of_a_replay_is_owed_until_it_is_saved(tmp_path: Path) -> None:
    """An engine that is killed again and again must not do ever more work to come back."""
    rotation = Rotation(Snapshots(tmp_path), a_bank(1), owed=30.0)
    assert rotation.owed == 30.0


def test_the_oldest_snapshots_are_renewed_first_so_that_every_model_gets_its_turn(tmp_path: Path) -> None:
    bank, snapshots = a_bank(AT_ONCE + 10), Snapshots(tmp_path)
    rotation = Rotation(snapshots, bank)
    for _ in range(3):
        rotation.worked(1.0)
        rotation._write(rotation._order()[:AT_ONCE], float("inf"))  # a turn, without waiting for it
        observe_one(bank, "m000", "m001")  # two are busy, the others rest
    assert min(as_of(snapshots, name) for name in bank.models) >= 2
    assert rotation.owed <= 2.0 + 2 * READ


def test_writing_at_the_end_is_bounded(tmp_path: Path) -> None:
    bank, snapshots = a_bank(5), Snapshots(tmp_path)
    rotation = Rotation(snapshots, bank)
    rotation._write(rotation._order(), float("-inf"))
    assert [as_of(snapshots, name) for name in bank.models] == [0] * 5
    assert as_of(snapshots, INDEX) == 1


def test_a_folder_that_cannot_be_written_is_told_once_and_tried_again(tmp_path: Path) -> None:
    (tmp_path / "snapshots").write_text("a file where a folder should be")
    rotation = Rotation(Snapshots(tmp_path / "snapshots"), a_bank(1))
    with heard() as logs:
        rotation.all()
        rotation.all()
    (sentence,) = said(logs, "snapshot_failed")
    assert "could not be written" in sentence and rotation.failing
    (tmp_path / "snapshots").unlink()
    rotation.all()
    assert not rotation.failing and as_of(rotation.snapshots, "m000") == 1


def test_turns_are_told_of(tmp_path: Path) -> None:
    told: list[float] = []
    Rotation(Snapshots(tmp_path), a_bank(1), told=told.append).all()
    assert len(told) == 1 and told[0] > 0.0


# -- retention ------------------------------------------------------------------------------------------------------


@pytest.fixture
def short(world: World) -> World:
    """A spool of small files that keeps them ten seconds."""
    world.spool.close()
    options = Options(limits=Limits(segment_bytes=22_500), retention=Retention(seconds=10.0))
    world.spool = Spool.open(world.folder / "spool", options=options)
    return world


def keep(world: World) -> int:
    """What the timed job does; answers the offset the spool begins at."""
    engine: Any = SimpleNamespace(
        pumps=[world.pump()], spool=world.spool, clock=world.clock, database=world.database, home=_home(world)
    )
    retain(engine, Retention(seconds=10.0))
    return world.spool.oldest_replayable(0).offset


def _home(world: World) -> Any:
    return SimpleNamespace(spool=world.folder / "spool")


def rounds(world: World, count: int, models: tuple[str, ...] = ("m1", "m2")) -> None:
    for _ in range(count):
        for model in models:
            world.post(*answers(5, model=model))
        world.run(15)


def test_the_spool_lets_go_only_of_what_two_snapshots_of_every_model_cover(short: World) -> None:
    rounds(short, 8)
    assert keep(short) == 0  # no snapshot yet, and a model's first event is needed
    short.save()
    rounds(short, 8)
    assert keep(short) == 0  # one snapshot of each might be lost
    covered = short.pump().cursor
    short.save()
    rounds(short, 8)
    short.save()
    start = keep(short)
    assert 0 < start <= covered
    assert short.steps()[0].seq > 1 and short.steps()[0].end >= start
    digest = short.pump().bank.digest()
    for path in (short.folder / "snapshots" / "0").glob("*.snap"):
        if path.name.endswith(f"{short.pump().seq:020d}.snap"):
            path.unlink()  # the whole newest generation is lost
    assert short.restart().bank.digest() == digest and short.pump().losses == ()
    assert short.entries("retention")[-1]["from"] == start


def test_a_model_that_is_new_holds_back_no_more_than_its_own_events(short: World) -> None:
    rounds(short, 8)
    short.save()
    rounds(short, 8)
    short.save()
    born = short.pump().cursor
    rounds(short, 1, ("m1", "m2", "new"))
    assert 0 < keep(short) <= born
    digest = short.pump().bank.digest()
    assert short.restart().bank.digest() == digest and short.pump().losses == ()


def test_steps_without_events_do_not_pile_up_for_ever(short: World) -> None:
    """A quiet daemon ticks, and its one spool file is never full: the steps of its past would only ever grow."""
    rounds(short, 1)
    short.run(300, each=15)
    for _ in range(2):
        short.save()
        short.run(15)
    assert len(short.steps()) > 20
    short.clock.advance(20)
    keep(short)
    short.drain()
    assert len(short.steps()) < 8
    digest = short.pump().bank.digest()
    assert short.restart().bank.digest() == digest and short.pump().losses == ()
