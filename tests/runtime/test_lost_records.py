"""Records that are gone: a spool older than the ledger, and holes before and behind the cursor. Each is said once, and
the accounting goes on adding up.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from pumping import World, answers

from monitor.runtime.catchup import catch_up
from monitor.spool import Limits, Options, Spool, SpoolUnusable, set_aside

Worlds = Callable[..., World]
SMALL = Options(limits=Limits(segment_bytes=22_500))


def reopen(world: World, options: Options | None = None) -> None:
    world.spool.close()
    world.spool = Spool.open(world.folder / "spool", options=options)


def balance(world: World) -> int:
    """What waits by the accounting: accepted, less what was observed or is in quarantine."""
    done = world.standing().totals
    return world.spool.totals(0).accepted - done.get("observed", 0) - done.get("quarantined", 0)


def damage(path: Path) -> None:
    path.write_bytes(b"\xff" * path.stat().st_size)


def segments(world: World) -> list[Path]:
    return sorted((world.folder / "spool" / "0").glob("*.db"))


def older(world: World, kept: bool) -> None:
    """The spool as it was after the first ten of twenty-five events, or none at all."""
    world.post(*answers(10, model="m1"))
    world.run(20)
    world.spool.close()
    copy = world.folder / "copy"
    shutil.copytree(world.folder / "spool", copy)
    world.spool = Spool.open(world.folder / "spool")
    world.post(*answers(15, model="m1"))
    world.run(20)
    world.kill()
    world.spool.close()
    shutil.rmtree(world.folder / "spool")
    if kept:
        shutil.copytree(copy, world.folder / "spool")


def test_the_pump_refuses_a_spool_that_ends_before_what_was_observed(world: World) -> None:
    older(world, kept=True)
    epoch = world.standing().epoch
    with pytest.raises(SpoolUnusable, match="ends at offset 10, and 25 were observed: it is older than the ledger"):
        world.pump()
    assert world.standing().epoch == epoch


@pytest.mark.parametrize("kept", [True, False], ids=["older", "lost"])
def test_a_spool_older_than_the_ledger_goes_on_behind_it_and_the_books_add_up(world: World, kept: bool) -> None:
    older(world, kept)
    (sentence,) = catch_up(world.database, world.folder / "spool", 1, world.clock.now())
    assert f"ends at offset {10 if kept else 0}, and 25 were observed" in sentence
    assert catch_up(world.database, world.folder / "spool", 1, world.clock.now()) == []
    world.spool = Spool.open(world.folder / "spool")
    assert world.spool.end(0) == 25 and world.spool.totals(0).accepted == 25 and balance(world) == 0

    world.post(*answers(4, model="m1"))
    assert world.spool.newest(0, 1)[-1].first == 25 and balance(world) == 4
    world.drain()
    assert sentence in world.pump().losses
    assert [entry["losses"] for entry in world.entries("gap") if sentence in entry.get("losses", ())]
    assert world.standing().totals["observed"] == 29 and balance(world) == 0
    world.save()
    assert world.restart().losses == ()


def test_a_spool_that_is_whole_is_left_as_it_is(world: World) -> None:
    world.post(*answers(3))
    world.drain()
    assert catch_up(world.database, world.folder / "spool", 1, world.clock.now()) == []
    assert world.placed() == [("book", 1)]


def three_segments(world: World) -> list[Path]:
    reopen(world, SMALL)
    while len(segments(world)) < 3:
        world.post(*answers(5, model="m1"))
    world.spool.close()
    return segments(world)


def test_a_hole_before_the_cursor_is_crossed_with_a_mark_and_counted_as_lost(world: World) -> None:
    world.post(*answers(2, model="m1"))
    world.drain()
    files = three_segments(world)
    first, end = int(files[1].stem), int(files[2].stem)
    damage(files[1])
    set_aside(files[1], world.clock.now())
    reopen(world, SMALL)
    world.drain()

    (mark,) = [mark for mark in world.marks("gap") if "lost" in mark.body]
    assert mark.body["lost"] == {"first": first, "end": end, "events": end - first}
    assert f"Offsets {first} to {end - 1} of partition 0 can no longer be read" in mark.body["losses"][0]
    assert f"{end - first} events that were accepted were never observed" in mark.body["losses"][0]
    totals = world.standing().totals
    assert totals["lost"] == totals["quarantined"] == end - first and balance(world) == 0
    assert totals["observed"] == world.spool.totals(0).accepted - (end - first)
    assert world.pump().losses == (mark.body["losses"][0],)

    digest = world.pump().bank.digest()
    assert world.restart().losses == () and world.pump().bank.digest() == digest  # replayed over the hole


def test_a_hole_at_the_end_is_crossed_though_nothing_stands_behind_it_yet(world: World) -> None:
    world.post(*answers(2, model="m1"))
    world.drain()
    world.post(*answers(6, model="m1"))
    world.kill()
    world.spool.close()
    (path,) = segments(world)
    with path.open("r+b") as file:  # the last pages hold the newest record
        file.truncate(path.stat().st_size - 8192)
    loss = set_aside(path, world.clock.now())
    assert loss.records == 0
    assert catch_up(world.database, world.folder / "spool", 1, world.clock.now()) == []  # it ends behind the cursor
    reopen(world)
    world.drain()
    assert world.standing().cursor == loss.holes[-1][1] == world.spool.end(0)
    assert balance(world) == 0 and world.pump().turn() is False
    world.post(*answers(1, model="m1"))
    world.drain()
    assert balance(world) == 0 and world.standing().totals["observed"] == 3


def test_a_hole_behind_the_cursor_is_told_at_one_start_and_not_at_each(world: World) -> None:
    files = three_segments(world)
    reopen(world, SMALL)
    world.drain()
    world.kill()
    world.spool.close()
    damage(files[1])
    set_aside(files[1], world.clock.now())
    reopen(world, SMALL)
    (loss,) = world.restart().losses
    assert "are no longer in the spool, so what was learned from them is lost" in loss
    world.drain()
    assert world.restart().losses == ()
    assert "lost" not in world.standing().totals and balance(world) == 0
