"""Trees for the busiest models only: who has them, who gets them, and that ten thousand models fit."""

from __future__ import annotations

from collections.abc import Iterable

from window_batches import BASE, make_batch

from monitor.core.bank import Bank
from monitor.core.events import Batch
from monitor.core.findings import Observation
from monitor.core.rules.model import Absent, Book, Detect, ModelOptions, Pack, Position, Rule
from monitor.core.step import NO_ANOMALY, Step, observe
from monitor.core.watcher import Mark
from monitor.runtime.seats import DAY, HOUR, Seats

FORMS = (Detect("anomaly", ("inputs.*",)), Absent(600.0))
RULES = tuple(Rule("p", f"R{i}", form, "high", Position("p.yaml", 1, 1)) for i, form in enumerate(FORMS))
BOOK = Book((Pack("p", ("*",), RULES),), "book", (("*", ModelOptions()),))


def batch_of(model: str, n: int, at: float) -> Batch:
    made = make_batch([at] * n, {"inputs.x": [float(i) for i in range(n)]})
    made.model = model
    return made


class Fleet:
    """A bank, the steps it was given, and who has a seat of it."""

    def __init__(self, seats: int, most: int = 2_000) -> None:
        self.bank, self.seats, self.at = Bank(0, BOOK, most), Seats(seats), BASE
        self.steps: list[tuple[Step, list[Batch]]] = []

    def step(self, events: dict[str, int], after: float = 15.0) -> Observation:
        self.at += after
        marks = [Mark("tick", self.at), *self.seats.change(self.at, self.bank)]
        step = Step(0, self.bank.seq + 1, 1, 0, 0, self.at, "book", tuple(marks))
        batches = [batch_of(model, n, self.at) for model, n in events.items()]
        self.steps.append((step, batches))
        return observe(self.bank, step, batches, lambda _: BOOK)

    def seated(self) -> Iterable[str]:
        return sorted(name for name, part in self.bank.models.items() if "p/R0" in part.watchers)


def test_while_there_is_room_everybody_has_a_seat_and_no_mark_is_placed() -> None:
    fleet = Fleet(seats=3)
    for _ in range(3):
        fleet.step({"a": 1, "b": 2, "c": 3})
    assert fleet.seated() == ["a", "b", "c"]
    assert {mark.kind for step, _ in fleet.steps for mark in step.marks} == {"tick"}


def test_the_least_busy_models_do_without_and_a_finding_says_so_once() -> None:
    fleet = Fleet(seats=2)
    fleet.step({"a": 5, "b": 1, "c": 9, "d": 2})
    found = fleet.step({"a": 5})
    assert fleet.seated() == ["a", "c"]
    told = [finding for finding in found.findings if finding.rule == NO_ANOMALY]
    assert len(told) == 1
    assert told[0].evidence.detail.startswith("Not watched: anomaly. 2 of the 4 models of partition 0, ")
    assert "p/R1" in fleet.bank.models["b"].watchers  # its other rules go on
    assert not fleet.bank.failures()
    assert not [f for f in fleet.step({"a": 1}).findings if f.rule == NO_ANOMALY]


def test_a_model_gets_a_seat_when_it_has_been_clearly_busier_for_a_day() -> None:
    fleet = Fleet(seats=1)
    fleet.step({"a": 10, "b": 1})
    fleet.step({})
    assert fleet.seated() == ["a"]
    fleet.step({"a": 10, "b": 15})
    fleet.step({}, after=DAY)
    assert fleet.seated() == ["a"]  # busier, not clearly
    fleet.step({"b": 150})
    fleet.step({})
    assert fleet.seated() == ["a"]  # who is busier is looked at once an hour
    fleet.step({}, after=HOUR)
    assert fleet.seated() == ["b"]


def test_hours_without_events_take_no_seat_from_anybody() -> None:
    fleet = Fleet(seats=2)
    fleet.step({"a": 900, "b": 800, "y": 1, "z": 1})
    for _ in range(4):
        fleet.step({}, after=DAY)
        assert fleet.seated() == ["a", "b"]


def test_a_quiet_night_takes_no_seat_for_one_event() -> None:
    fleet = Fleet(seats=1)
    fleet.step({"a": 9, "b": 1})
    fleet.step({})
    for _ in range(3):
        fleet.step({"a": 900}, after=DAY / 2)
        fleet.step({"b": 1}, after=DAY / 4)
        fleet.step({"b": 1}, after=DAY / 4)
        assert fleet.seated() == ["a"]


def test_a_restart_takes_no_seat_from_the_busiest_of_today_for_what_was_long_ago() -> None:
    fleet = Fleet(seats=1)
    fleet.step({"old": 3000})
    fleet.step({"new": 1, "old": 1})
    fleet.step({}, after=HOUR)
    fleet.step({"new": 1000})
    fleet.step({}, after=3 * DAY)
    assert fleet.seated() == ["new"]  # `old` says nothing any more
    fleet.seats = Seats(1)  # the engine starts again
    for _ in range(3):
        fleet.step({"new": 100}, after=DAY)
        assert fleet.seated() == ["new"]


def test_a_heavy_rule_that_comes_with_a_new_book_takes_no_seats_beyond_the_limit() -> None:
    fleet = Fleet(seats=2)
    events = {"a": 9, "b": 8, "c": 7, "d": 6, "e": 5}
    fleet.step(events)
    fleet.step({})
    assert fleet.seated() == ["a", "b"]
    more = (*RULES, Rule("p", "R9", Detect("outlier", ("inputs.*",)), "high", Position("p.yaml", 9, 1)))
    book = Book((Pack("p", ("*",), more),), "book2", (("*", ModelOptions()),))
    for mark in ([Mark("book", fleet.at)], [], []):
        fleet.at += HOUR
        marks = (*mark, Mark("tick", fleet.at), *fleet.seats.change(fleet.at, fleet.bank))
        step = Step(0, fleet.bank.seq + 1, 1, 0, 0, fleet.at, "book2", marks)
        observe(fleet.bank, step, [batch_of(m, n, fleet.at) for m, n in events.items()], lambda _: book)
    heavy = {name for name, part in fleet.bank.models.items() if {"p/R0", "p/R9"} & set(part.watchers)}
    assert heavy == {"a", "b"}
    assert set(fleet.bank.models["a"].watchers) >= {"p/R0", "p/R9"}


def test_the_history_of_a_model_without_a_seat_has_no_trees_either() -> None:
    fleet = Fleet(seats=1)
    fleet.step({"a": 9, "b": 1})
    fleet.step({"a": 1, "b": 1})
    assert fleet.seated() == ["a"]
    old = batch_of("b", 5, fleet.at + 15)
    old.at, old.live = old.at - 5 * HOUR, False  # such as `overloop events send` of a file
    fleet.at += 15
    step = Step(0, fleet.bank.seq + 1, 1, 0, 0, fleet.at, "book", (Mark("tick", fleet.at),))
    observe(fleet.bank, step, [old], lambda _: BOOK)
    part = fleet.bank.models["b"]
    assert part.history is not None and "p/R0" not in part.history.watchers


def test_a_person_who_rearms_a_rule_gives_no_seat() -> None:
    fleet = Fleet(seats=1)
    fleet.step({"a": 10, "b": 1})
    fleet.step({})
    step = Step(0, fleet.bank.seq + 1, 1, 0, 0, fleet.at + 1, "book", (Mark("rearm", fleet.at + 1, "b", "p/R0"),))
    observe(fleet.bank, step, [], lambda _: BOOK)
    assert fleet.seated() == ["a"]


def test_seats_are_the_same_after_a_restart_from_a_snapshot_and_after_a_replay_of_the_steps() -> None:
    fleet = Fleet(seats=1)
    fleet.step({"a": 10, "b": 3, "c": 2})
    fleet.step({"a": 1})
    replayed = Bank(0, BOOK)
    for step, batches in fleet.steps:
        observe(replayed, step, batches, lambda _: BOOK)
    assert replayed.digest() == fleet.bank.digest()
    loaded = Bank(0, BOOK)
    born = loaded.restore_index(fleet.bank.dump_index(), lambda _: BOOK)
    for name, first in born.items():
        assert loaded.restore(fleet.bank.dump(name), fleet.bank.seq, first, lambda _: BOOK) == []
    assert loaded.digest() == fleet.bank.digest()


def test_ten_thousand_models_take_no_more_memory_than_the_bank_has_room_for() -> None:
    fleet = Fleet(seats=200)
    names = [f"model-{i:05d}" for i in range(10_000)]
    sizes = []
    for start in range(0, len(names), 1_000):
        fleet.step(dict.fromkeys(names[start : start + 1000], 2))
        fleet.step({})
        sizes.append(fleet.bank.memory())
    assert len(fleet.bank.models) == 2_000 and fleet.bank.unwatched == 8_000
    assert len(list(fleet.seated())) == 200
    assert sizes[-1] == sizes[1]  # the first two thousand; whoever comes later takes nothing
