"""The bank and its models' parts: what is watched, by which clock, and how much there may be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pumping import World, answers
from window_batches import BASE, cut, make_batch

from monitor.core.bank import MAX_WAITING, Bank
from monitor.core.events import Batch
from monitor.core.modelwatch import ModelWatch
from monitor.core.notices.model import Policy
from monitor.core.rehearse import Rehearsal
from monitor.core.rules.model import Absent, Book, Detect, ModelOptions, Pack, Position, Rule, Windowed
from monitor.core.state import dump
from monitor.core.step import BANK_FULL, Step, observe
from monitor.core.watcher import Mark

HOUR = 3600.0


def a_book(*forms: Any, digest: str = "book", **options: Any) -> Book:
    rules = tuple(Rule("p", f"R{i}", form, "high", Position("p.yaml", 1, 1)) for i, form in enumerate(forms))
    return Book((Pack("p", ("*",), rules),), digest, (("*", ModelOptions(**options)),))


def step_of(seq: int, at: float = BASE, book: str = "book", *marks: Mark) -> Step:
    return Step(0, seq, 1, 0, 0, at, book, marks)


def batch_of(model: str, n: int = 1, at: float = BASE, **more: Any) -> Batch:
    made = make_batch([at] * n, **more)
    made.model = model
    return made


# -- how much there may be ------------------------------------------------------------------------------------------


def test_models_beyond_the_room_are_not_watched_and_that_is_a_finding() -> None:
    book = a_book(Absent(600.0))
    bank = Bank(0, book, max_models=2)
    found = observe(bank, step_of(1), [batch_of(m) for m in ("a", "b", "c", "d", "a")], lambda _: book)
    assert sorted(bank.models) == ["a", "b"] and bank.unwatched == 2
    (finding,) = [f for f in found.findings if f.rule == BANK_FULL]
    assert finding.evidence.n == 2 and "d and other new models are not watched" in finding.evidence.detail
    assert bank.models["a"].events == 2


def test_references_for_models_that_do_not_come_give_way_to_later_ones_and_are_counted() -> None:
    book = a_book(Absent(600.0))
    bank = Bank(0, book)

    def give(seq: int, model: str) -> None:
        mark = Mark("reference", BASE, model, "p/R0", body={"fitted": "x", "version": 1})
        observe(bank, step_of(seq, BASE, "book", mark), [], lambda _: book)

    for i in range(MAX_WAITING):
        give(1 + i, f"z{i}")
    assert (len(bank.waiting), bank.unplaced) == (MAX_WAITING, 0)
    give(500, "a")
    assert (len(bank.waiting), bank.unplaced) == (MAX_WAITING, 1)
    assert "a" in bank.waiting and "z0" not in bank.waiting
    again = Bank(0, book)
    again.restore_index(bank.dump_index(), lambda _: book)
    assert (list(again.waiting), again.unplaced) == (list(bank.waiting), 1)


def test_a_bank_whose_memory_is_used_up_takes_no_more_models_until_there_is_room(
    make_world: Callable[..., World],
) -> None:
    world = make_world()
    pump = world.pump(room=10_000)
    world.post(*answers(3, model="m1"))
    world.run(20)
    (mark,) = world.marks("full")
    assert mark.body == {"full": True} and pump.bank.closed
    world.post(*answers(3, model="m2"))
    world.run(5)
    assert list(pump.bank.models) == ["m1"] and pump.bank.unwatched == 1
    assert world.standing().totals["observed"] == 6  # they were taken; nobody watches them
    world.save()
    assert world.restart(room=10_000).bank.closed
    pump = world.pump()
    pump.room = 10_000_000
    world.run(20)
    assert not pump.bank.closed
    world.post(*answers(3, model="m2"))
    world.run(5)
    assert sorted(pump.bank.models) == ["m1", "m2"]
    digest = pump.bank.digest()
    for path in (world.folder / "snapshots").rglob("*.snap"):
        path.unlink()
    assert world.restart().bank.digest() == digest


def test_models_of_other_partitions_are_neither_watched_nor_counted() -> None:
    book = a_book(Absent(600.0, expect=("mine", "theirs")))
    bank = Bank(0, book, owns=lambda model: model == "mine")
    marks = (Mark("book", BASE, body={"digest": "book"}),)
    found = observe(bank, step_of(1, BASE, "book", *marks), [batch_of("theirs")], lambda _: book)
    assert list(bank.models) == ["mine"] and bank.unwatched == 0 and found.findings == []


def test_memory_is_counted() -> None:
    book = a_book(Windowed("count", "inputs.x > 1", 600.0, above=1, by=("inputs.g",)))
    bank = Bank(0, book)
    observe(bank, step_of(1), [batch_of("a", columns={"inputs.x": [1], "inputs.g": ["g"]})], lambda _: book)
    small = bank.memory()
    many = [f"g{i}" for i in range(500)]
    batch = batch_of("a", 500, columns={"inputs.x": [1] * 500, "inputs.g": many})
    observe(bank, step_of(2), [batch], lambda _: book)
    assert bank.memory() > 2 * small


# -- which clock ----------------------------------------------------------------------------------------------------


def test_levels_of_live_events_are_as_of_now() -> None:
    part = ModelWatch("m", a_book(Absent(600.0)), BASE)
    part.observe(make_batch([BASE]))
    (level,) = part.assess(BASE + 700)
    assert level.at == BASE + 700 and level.holds.tolist() == [1] and not level.historical


def test_events_that_bring_their_own_time_set_the_clock_and_it_never_goes_back() -> None:
    part = ModelWatch("m", a_book(Windowed("count", "inputs.x > 0", 60.0, above=5), lateness=10.0), BASE)
    at = np.array([100.0, 50.0, 200.0, BASE + 9999.0])
    part.observe(make_batch([BASE] * 4, {"inputs.x": [1.0] * 4}, at=at, event_time=True, live=False))
    assert part.clock == BASE + 60.0  # a time in the future moves it by a minute at most
    assert part.rule_time(BASE + HOUR) == BASE + 60.0  # what keeps its own time does not age while it waits
    part.observe(make_batch([BASE + 1], {"inputs.x": [1.0]}, at=np.array([300.0]), event_time=True, live=False))
    assert part.clock == BASE + 60.0


def test_old_events_are_history_unless_they_are_said_to_be_live() -> None:
    for live, historical in ((False, True), (True, False)):
        part = ModelWatch("m", a_book(Windowed("count", "inputs.x > 0", 60.0, above=0)), BASE)
        old = make_batch([BASE], {"inputs.x": [1.0]}, at=np.array([BASE - 2 * HOUR]), event_time=True, live=live)
        part.observe(old)
        (level,) = part.assess(BASE)
        assert level.historical is historical and level.holds.tolist() == [1]
    part.observe(make_batch([BASE + 1], {"inputs.x": [1.0]}, live=False, event_time=True))
    assert not part.assess(BASE + 1)[0].historical  # it has caught up


def test_labels_without_a_time_of_their_own_do_not_move_the_clock_of_past_events() -> None:
    """A file of events of 2020 and its labels, posted today: today is not when they happened."""
    truth_rule = Windowed("share", "output.y != truth.y", 600.0, above=0.5)
    part = ModelWatch("m", a_book(truth_rule), BASE)
    past = np.array([1000.0, 1001.0])
    part.observe(make_batch([BASE] * 2, {"output.y": [1, 1]}, at=past, event_time=True, live=False))
    part.observe(make_batch([BASE] * 2, {"truth.y": [0, 0]}, truth=True))
    assert part.clock == 1001.0
    assert part.assess(BASE)[0].value.tolist() == [1.0]
    part.observe(make_batch([BASE], {"truth.y": [0]}, ids=["later"], at=np.array([5000.0]), truth=True))
    assert part.clock == 5000.0


def test_labels_that_come_before_any_event_have_a_clock_too() -> None:
    part = ModelWatch("m", a_book(Windowed("share", "output.y != truth.y", 600.0, above=0.5), time="event"), BASE)
    part.observe(make_batch([BASE], {"truth.y": [0]}, truth=True))
    assert part.clock == -np.inf
    part.observe(make_batch([BASE], {"output.y": [1]}, at=np.array([1000.0])))
    assert part.clock == 1000.0 and part.assess(BASE)[0].value.tolist() == [1.0]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 30), min_size=1, max_size=40), st.lists(st.integers(1, 7), min_size=1, max_size=5))
def test_a_rule_on_truth_sees_the_same_however_the_stream_is_cut(gaps: list[int], sizes: Sequence[int]) -> None:
    """Each joined row has the time at which it was joined, and not that of the last row of its batch."""
    book = a_book(Windowed("count", "output.y != truth.y", 60.0, above=2), Absent(30.0, truth=True))
    clock = (BASE + np.cumsum(gaps)).tolist()
    n = len(clock)
    events = make_batch(clock, {"output.y": [1] * n, "truth.y": [0 if i % 2 else None for i in range(n)]})
    late = make_batch([t + 1 for t in clock], {"truth.y": [i % 3 for i in range(n)]}, first=0, truth=True)
    late.offsets = late.offsets + n
    whole, pieces = ModelWatch("m", book, BASE), ModelWatch("m", book, BASE)
    for batch in (events, late):
        whole.observe(batch)
        for piece in cut(batch, sizes):
            pieces.observe(piece)
    for at in (clock[-1] + 1, clock[-1] + 31):
        both = [[(level.holds.tolist(), level.value.tolist()) for level in p.assess(at)] for p in (whole, pieces)]
        assert both[0] == both[1]
    assert repr(whole.save()) == repr(pieces.save())


# -- rule books -----------------------------------------------------------------------------------------------------


def test_rules_come_and_go_with_the_book_and_with_them_the_join() -> None:
    truthful = Windowed("share", "output.y != truth.y", 600.0, above=0.5)
    part = ModelWatch("m", a_book(truthful, Absent(60.0)), BASE)
    assert part.join is not None and part.join.columns == ("output.y",)
    join = part.join
    part.adopt(a_book(truthful, digest="other", matures=5.0))
    assert part.join is join and join.limits.matures == 5.0 and list(part.watchers) == ["p/R0"]
    part.adopt(a_book(Absent(60.0), digest="third"))
    assert part.join is None and list(part.watchers) == ["p/R0"]


def test_events_that_wait_for_their_truth_go_on_waiting_when_another_rule_on_truth_comes() -> None:
    first = Windowed("count", "output.y != truth.y", 600.0, above=100)
    second = Windowed("count", "output.z != truth.y", 600.0, above=100, by=("inputs.g",))
    part = ModelWatch("m", a_book(first), BASE)
    given = {"output.y": [1, 2, 3, 4.5], "output.z": [1, 1, 1, 1], "inputs.g": ["g"] * 4}
    part.observe(make_batch([BASE] * 4, given))
    part.adopt(a_book(first, second, digest="two"))
    assert part.join is not None and part.join.pending == 4
    part.observe(make_batch([BASE + 1] * 4, given, first=4))
    part.observe(make_batch([BASE + 2] * 8, {"truth.y": [0] * 8}, truth=True))
    one, other = part.assess(BASE + 2)
    assert one.value.tolist() == [8.0]  # all of them, from before and after
    counted = dict(zip(other.segments, other.value.tolist(), strict=True))
    assert counted["inputs.g=g"] == 4.0  # those that have the column
    again = ModelWatch("m", a_book(first, second, digest="two"), BASE)
    assert again.load(part.save()) == [] and dump(again.save()) == dump(part.save())
    part.adopt(a_book(second, digest="three"))
    assert part.join.columns == ("inputs.g", "output.z") and part.join.pending == 8


def test_findings_come_in_the_order_of_the_book_whatever_was_built_anew() -> None:
    shift = Detect("shift", ("inputs.x",), method="adwin", parameters={"delta": 0.01}, budget=False)
    book = a_book(shift, shift, shift)
    part = ModelWatch("m", book, BASE)
    part.apply(Mark("rearm", BASE, "m", "p/R0"))
    part.failed["p/R0"] = "it stopped"
    del part.watchers["p/R0"]
    part.apply(Mark("rearm", BASE, "m", "p/R0"))
    found: list[str] = []
    for i in range(60):
        batch = make_batch([BASE + i] * 50, {"inputs.x": [float(i > 30) * 10] * 50}, first=50 * i)
        found += [f.rule for f in part.observe(batch)]
    assert found == ["p/R0", "p/R1", "p/R2"]


def test_a_column_of_a_kind_that_a_person_gave_keeps_it() -> None:
    part = ModelWatch("m", a_book(Absent(60.0)), BASE)
    part.apply(Mark("kinds", BASE, "m", body={"column": "inputs.x", "kind": "category"}))
    part.observe(make_batch([BASE] * 100, {"inputs.x": [1.5] * 100}))
    assert part.columns.kinds["inputs.x"] == "category"


def test_versions_are_remembered_the_newest_last_and_not_without_end() -> None:
    part = ModelWatch("m", a_book(Absent(60.0)), BASE)
    part.observe(make_batch([BASE] * 30, versions=[f"v{i}" for i in range(30)]))
    assert len(part.versions) == 20 and part.versions[-1] == "v29"


# -- rehearsals -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gap", [0.0, 600.0])
def test_time_in_a_gap_counts_for_no_rule(gap: float) -> None:
    book = a_book(Absent(300.0))
    bank = Bank(0, book)
    observe(bank, step_of(1), [batch_of("m")], lambda _: book)
    later = BASE + 200.0 + gap
    marks = (Mark("gap", later, body={"from": BASE + 200.0, "to": later}), Mark("tick", later))
    found = observe(bank, step_of(2, later, "book", *marks), [], lambda _: book)
    assert found.levels[0].value.tolist() == [200.0]


def test_a_rehearsal_goes_the_way_of_the_pump() -> None:
    rehearsal = Rehearsal(a_book(Windowed("count", "inputs.x > 0", 60.0, above=2)), Policy())
    changes = rehearsal.step(BASE, [batch_of("m", 5, columns={"inputs.x": [1.0] * 5})], tick=True)
    (incident,) = changes.incidents.values()
    assert (incident.key, incident.state) == ("p/R0", "open")
    rehearsal.step(BASE + 300, [batch_of("m", at=BASE + 300, columns={"inputs.x": [0.0]})], tick=True)
    assert [i.state for i in rehearsal.view.incidents.values()] == ["recovered"]
