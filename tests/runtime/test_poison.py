"""Events that make a step fail, detectors that raise, lines that cannot be read back. Nothing of ours is patched: the
rule book, which the pump is given, holds values that cannot bear what the tests send.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pumping import T0, World, answers, heard, said

from monitor.core.bank import Bank
from monitor.core.rules.model import Absent, Book, Detect, ModelOptions, Pack, Position, Rule
from monitor.core.step import Step, mark_from_json, mark_to_json, observe
from monitor.core.watcher import Mark
from monitor.formats.decode import to_batches
from monitor.runtime.poison import decode, find_poison
from monitor.spool import Flags, Post, Record, id_hash
from monitor.store.facts import set_fact
from monitor.store.queries import load_evidence

CURSED = 13.0  # a time no event may have


class Lateness(float):
    """A lateness that fails on events of one time: `observe` meets it before any watcher does."""

    __array_ufunc__ = None

    def __rsub__(self, at: Any) -> Any:
        if (at == CURSED).any():
            raise ArithmeticError("an event at 13 s")
        return at


class Limit(float):
    """A limit that fails when it is compared with, for as long as it is told to: the watcher of its rule raises."""

    __array_ufunc__ = None
    fails = True

    def __le__(self, silence: Any) -> Any:
        if self.fails:
            raise RuntimeError("worn out")
        return np.asarray(silence) >= 1e9

    def __rtruediv__(self, silence: Any) -> Any:
        return np.zeros(len(silence))

    def __float__(self) -> float:
        return 1e9


def a_book(limit: float = 1e9, lateness: float = 0.0) -> Book:
    where = Position("odd.yaml", 1, 1)
    rules = [Rule("odd", name, Absent(seconds), "high", where) for name, seconds in (("Frail", limit), ("Sound", 30.0))]
    options = ModelOptions(time="event", lateness=lateness)
    return Book((Pack("odd", ("*",), tuple(rules)),), f"{limit!r}{lateness!r}", (("*", options),))


@pytest.fixture
def odd(make_world: Callable[..., World]) -> Callable[[Book], World]:
    """A world under a book that no file could hold."""

    def make(book: Book) -> World:
        world = make_world(pack="")
        world.books = {"": Book((), ""), book.digest: book}.__getitem__
        world.shelf.current = book
        with world.database.write(T0) as tx:
            set_fact(tx, "book", book.digest)
        return world

    return make


def timed(*times: float, model: str = "m") -> list[dict[str, Any]]:
    return [{"output": {"y": 1}, "at": at, "model": model} for at in times]


def test_events_that_make_a_step_fail_are_set_aside_and_the_rest_goes_on(odd: Callable[..., World]) -> None:
    world = odd(a_book(lateness=Lateness(0.0)))
    world.post(*timed(1, 2, 3))
    world.drain()
    world.post(*timed(4, CURSED, 6, 7, CURSED), *timed(1, 2, model="m2"), *timed(8, 9))
    with heard() as logs:
        world.drain()
    assert world.quarantine() == [(4, "m", "e5"), (7, "m", "e8")]
    assert world.standing().totals["observed"] == 10 and world.standing().totals["quarantined"] == 2
    assert world.standing().cursor == 12
    assert {name: part.events for name, part in world.pump().bank.models.items()} == {"m": 8, "m2": 2}
    (entry,) = world.entries("quarantined")
    assert (entry["events"], entry["models"], entry["reason"]) == (2, ["m"], "ArithmeticError: an event at 13 s")
    assert len(said(logs, "observe_failed")) == 1


def test_what_was_set_aside_once_is_left_out_when_the_step_is_run_again(odd: Callable[..., World]) -> None:
    world = odd(a_book(lateness=Lateness(0.0)))
    world.post(*timed(1, CURSED, 3))
    world.drain()
    digest = world.pump().bank.digest()
    assert world.restart().bank.digest() == digest
    world.save()
    assert world.restart().bank.digest() == digest
    assert world.pump().losses == ()


def test_truth_that_is_set_aside_is_not_counted_as_an_event(odd: Callable[..., World]) -> None:
    world = odd(a_book(lateness=Lateness(0.0)))
    world.post(*timed(1, 2))
    world.truth({"id": "e1", "truth": {"y": 1}, "at": CURSED})
    world.drain()
    assert world.quarantine() == [(2, "m", "e1")]
    assert world.standing().totals == {"observed": 2, "quarantined": 0, "findings": 0}


def test_a_flood_of_poison_is_set_aside_without_looking_at_every_event(odd: Callable[..., World]) -> None:
    world = odd(a_book(lateness=Lateness(0.0)))
    world.post(*timed(*(CURSED for _ in range(1500)), 5))
    world.drain()
    totals = world.standing().totals
    assert totals["quarantined"] >= 1500 and totals["observed"] + totals["quarantined"] == 1501


def test_looking_for_poison_is_given_up_in_time_and_the_rest_of_what_fails_is_set_aside_together() -> None:
    bank = Bank(0, a_book(lateness=Lateness(0.0)))
    lines = b"\n".join(b'{"id":"%d","model":"m","at":%d}' % (i, 13 if i == 5 else 12) for i in range(8))
    step = Step(0, 1, 1, 0, 8, T0, bank.book.digest)
    batches, tries = to_batches([_record(0, lines)]), list[int]()
    found = find_poison(bank, step, batches, lambda _: bank.book, lambda: tries.append(1))
    assert [p.offset for p in found] == [5] and len(tries) > 5
    found = find_poison(bank, step, batches, lambda _: bank.book, patience=-1.0)
    assert [p.offset for p in found] == list(range(8))


def test_looking_for_poison_leaves_the_bank_as_it_was() -> None:
    bank = Bank(0, a_book(lateness=Lateness(0.0)))
    observe(bank, Step(0, 1, 1, 0, 1, T0, bank.book.digest), _batches(), lambda _: bank.book)
    lines = b'{"id":"b","model":"m","at":12}\n{"id":"c","model":"m","at":13}\n{"id":"d","model":"n","at":13}'
    before = bank.digest()
    step = Step(0, 2, 1, 1, 4, T0, bank.book.digest)
    found = find_poison(bank, step, to_batches([_record(1, lines)]), lambda _: bank.book)
    assert [(p.offset, p.event_id) for p in found] == [(2, "c"), (3, "d")]
    assert bank.digest() == before and list(bank.models) == ["m"]


def test_a_mark_that_fails_is_not_blamed_on_the_events_beside_it(odd: Callable[..., World]) -> None:
    world = odd(a_book())
    world.drain()
    world.want(kind="book", body={"digest": "nobody has this book"})
    world.post(*timed(1, 2))
    with pytest.raises(KeyError, match="nobody has this book"):
        world.drain()
    assert world.quarantine() == [] and world.standing().cursor == 0


# -- detectors ------------------------------------------------------------------------------------------------------


def test_a_rule_that_raises_is_switched_off_in_sight_and_closing_its_incident_starts_it_again(
    odd: Callable[..., World],
) -> None:
    limit = Limit(1e9)
    world = odd(a_book(limit=limit))
    world.post(*timed(1))
    world.run(20)
    (incident,) = world.incidents()
    with world.database.read() as connection:
        (row,) = load_evidence(connection, incident["id"])
    assert incident["rule"] == "Frail" and "stopped working (RuntimeError: worn out)" in row.detail
    assert world.entries("detector_disabled")[0]["rule"] == "odd/Frail"
    part = world.pump().bank.models["m"]
    assert list(part.watchers) == ["odd/Sound"] and part.failed == {"odd/Frail": "RuntimeError: worn out"}
    digest = world.pump().bank.digest()
    assert world.restart().bank.digest() == digest
    world.save()
    assert world.restart().bank.digest() == digest
    limit.fails = False
    world.desk.close(incident["id"], "ana", "supervisor", verdict="real")
    world.run(20)
    part = world.pump().bank.models["m"]
    assert sorted(part.watchers) == ["odd/Frail", "odd/Sound"] and part.failed == {}
    assert world.incidents("Frail")[0]["state"] == "closed"


def test_the_other_rules_of_the_model_go_on(odd: Callable[..., World]) -> None:
    world = odd(a_book(limit=Limit(1e9)))
    world.post({"output": {"y": 1}})
    world.run(60)
    assert {i["rule"] for i in world.incidents()} == {"Frail", "Sound"}


def test_a_rule_that_cannot_even_be_set_up_fails_in_sight_and_alone() -> None:
    frail = replace(a_book().packs[0].rules[0], form=Detect("shift", ("inputs.x",), method="nonsense"))
    book = Book((Pack("odd", ("*",), (frail, a_book().packs[0].rules[1])),), "unbuildable")
    bank = Bank(0, book)
    found = observe(bank, Step(0, 1, 1, 0, 1, T0, book.digest), _batches(), lambda _: book)
    (finding,) = found.findings
    assert finding.rule == "odd/Frail" and finding.evidence.statistic == "detector_error"
    assert list(bank.models["m"].watchers) == ["odd/Sound"]


# -- lines that cannot be read back ---------------------------------------------------------------------------------


def test_lines_that_cannot_be_read_back_are_set_aside_line_by_line(world: World) -> None:
    world.post(*answers(2))
    world.drain()
    lines = [b'{"id":"x1","model":"m"}', b'{"id":"x2","model"', b'{"id":"x3","model":"m"}']
    world.spool.append(0, [Post("events", lines, [id_hash("m", f"x{i}") for i in (1, 2, 3)])], world.clock.now())
    world.drain()
    assert world.quarantine() == [(3, "", "")]
    assert world.standing().totals["observed"] == 4 and world.standing().cursor == 5
    digest = world.pump().bank.digest()
    assert world.restart().bank.digest() == digest and world.pump().losses == ()


def test_readable_records_are_decoded_as_they_are() -> None:
    record = _record(7, b'{"id":"a","model":"m"}')
    batches, bad = decode([record])
    assert (batches[0].ids, batches[0].offsets.tolist(), bad) == (["a"], [7], [])
    batches, bad = decode([record, _record(8, b"{"), _record(9, b'{"id":"b","model":"m"}')])
    assert [b.ids for b in batches] == [["a", "b"]] and [p.offset for p in bad] == [8]


# -- marks ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "mark",
    [
        Mark("tick", 1.5),
        Mark("rearm", 1.5, "m", "p/R", "a=b"),
        Mark("kinds", 1.5, "m", body={"column": "inputs.x", "kind": "number"}),
        Mark("gap", 1.5, body={"from": 1.0, "to": 1.5, "losses": ["…"]}),
    ],
)
def test_marks_come_back_from_the_ledger_as_they_went_in(mark: Mark) -> None:
    assert mark_from_json(mark_to_json(mark)) == mark


def test_a_mark_without_a_kind_of_column_is_refused() -> None:
    with pytest.raises(ValueError, match="no kind of column"):
        mark_from_json({"kind": "kinds", "at": 1.0, "model": "m", "body": {"column": "x", "kind": "colour"}})


def _record(first: int, payload: bytes) -> Record:
    return Record(0, first, payload.count(b"\n") + 1, "events", T0, Flags(), payload)


def _batches() -> Any:
    return to_batches([_record(0, b'{"id":"a","model":"m"}')])
