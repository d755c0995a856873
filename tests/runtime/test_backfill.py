"""A backfill through the whole pump: `overloop events send old.ndjson` while the model is live."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pumping import T0, World, answers

from monitor.core.incidents.model import RuleState
from monitor.core.rules.model import Absent, Book, Pack, Position, Rule
from monitor.runtime.pace import TICK, Ticks
from monitor.spool import Flags

FILE = Flags(event_time=True, live=False, source="file")
DAY = 86_400.0


def test_what_waits_in_history_asks_for_no_tick() -> None:
    rule = Rule("p", "R", Absent(60.0), "high", Position("p.yaml", 1, 1), for_=7.0)
    book, ticks = Book((Pack("p", ("*",), (rule,)),), ""), Ticks()
    past = RuleState("p/R", "m", "", T0, False, T0, historical=True)
    ticks.learn({past.key: past}, book)
    assert ticks.next(T0) == T0 + TICK
    live = replace(past, historical=False)
    ticks.learn({past.key: past, live.key: live}, book)
    assert ticks.next(T0) == T0 + 7.0


def backfill(world: World, n: int, ago: float, confidence: float) -> None:
    happened = world.clock.now() - ago
    world.post(*({**row, "at": happened + i} for i, row in enumerate(answers(n, confidence))), flags=FILE)


def a_life(world: World, ago: float | None) -> list[dict[str, Any]]:
    """A model is well, then badly unsure, then silent; all the while old events may come in. Its live incidents."""
    for minute in range(12):
        if minute < 7:
            world.post(*answers(5, 0.9 if minute < 3 else 0.1))
        if ago is not None:
            backfill(world, 20, ago - 60.0 * minute, 0.1 if minute < 3 else 0.9)
        world.run(60.0)
    return [i for i in world.incidents() if not i["historical"]]


def told(incidents: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return sorted((i["rule"], i["state"], i["opened_at"], i["changed_at"], i["summary"]) for i in incidents)


def test_a_live_model_that_goes_wrong_and_falls_silent_is_seen_as_well_during_a_backfill(
    make_world: Callable[..., World],
) -> None:
    calm, busy = make_world(), make_world()
    expected = told(a_life(calm, None))
    assert {rule for rule, *_ in expected} == {"Low", "Silent"}
    assert told(a_life(busy, 14 * DAY)) == expected
    assert busy.notices() and len(busy.notices()) == len(calm.notices())
    part = busy.pump().bank.models["m"]
    assert part.history is not None and part.history.events == 240 and part.events == 275
    assert {i["rule"] for i in busy.incidents() if i["historical"]} == {"Low"}


def test_history_comes_back_with_its_model_and_goes_after_a_day(world: World) -> None:
    world.post(*answers(5))
    world.drain()
    backfill(world, 30, 9 * DAY, 0.1)
    world.drain()
    world.save()
    backfill(world, 30, 8 * DAY, 0.9)
    world.truth(*({"id": f"e{n}", "model": "m", "truth": {"label": 1}} for n in (1, 10, 40, 999)))
    world.drain()
    digest = world.pump().bank.digest()
    assert world.restart().bank.digest() == digest
    join, history = (line.join for line in (world.pump().bank.models["m"], world.pump().bank.models["m"].history))  # type: ignore[union-attr]
    assert join is not None and history is not None
    assert (join.counts["joined"], history.counts["joined"], join.waiting) == (1, 2, 1)
    world.clock.advance(DAY)
    world.drain()
    assert world.pump().bank.models["m"].history is None
    digest = world.pump().bank.digest()
    assert world.restart().bank.digest() == digest
