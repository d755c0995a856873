"""The join against plain dictionaries, one row at a time; cuts, restarts, bad values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from window_batches import BASE, WILD, cut, make_batch

from monitor.core.events import MISSING, Batch
from monitor.core.joins import Join, JoinLimits
from monitor.core.state import dump, load

LIMITS = JoinLimits(seconds=100.0, matures=30.0)


class Reference:
    """What the join does, without any bound of bytes."""

    def __init__(self) -> None:
        self.events: dict[str, tuple[float, Any]] = {}
        self.done: set[tuple[str, float]] = set()
        self.waiting: dict[str, tuple[float, Any]] = {}
        self.joined: list[tuple[str, Any, Any]] = []
        self.counts = dict.fromkeys(("joined", "early", "late", "duplicate", "expired", "repeated"), 0)

    def forget(self, clock: float) -> None:
        for id_ in [i for i, (at, _) in self.waiting.items() if at < clock - 100.0]:
            del self.waiting[id_]
            self.counts["expired"] += 1

    def known(self, id_: str, clock: float) -> bool:
        return id_ in self.events and clock - self.events[id_][0] <= 100.0

    def event(self, id_: str, clock: float, x: Any, truth: Any) -> None:
        self.forget(clock)
        if self.known(id_, clock):
            self.counts["repeated"] += 1
            return
        self.events[id_] = (clock, x)
        waited = self.waiting.pop(id_, None)
        if truth is not None:
            self.counts["duplicate"] += waited is not None
        elif waited is not None:
            self.counts["early"] += 1
            truth = waited[1]
        if truth is not None:
            self.join(id_, clock, x, truth)

    def truth(self, id_: str, clock: float, truth: Any) -> None:
        self.forget(clock)
        if self.known(id_, clock):
            at, x = self.events[id_]
            if (id_, at) in self.done:
                self.counts["duplicate"] += 1
            else:
                self.counts["late"] += clock - at > 30.0
                self.join(id_, at, x, truth)
        elif id_ in self.waiting:
            self.counts["duplicate"] += 1
        else:
            self.waiting[id_] = (clock, truth)

    def join(self, id_: str, at: float, x: Any, truth: Any) -> None:
        self.done.add((id_, at))
        self.counts["joined"] += 1
        self.joined.append((id_, x, truth))


RUNS = st.lists(
    st.tuples(
        st.booleans(),  # a batch of truths
        st.lists(
            st.tuples(st.sampled_from([0.0, 1.0, 20.0, 60.0]), st.sampled_from("abcdefgh"), st.integers(0, 4)),
            min_size=1,
            max_size=8,
        ),
    ),
    min_size=1,
    max_size=12,
)


def batches(runs: list[Any]) -> list[Batch]:
    made: list[Batch] = []
    clock, first = BASE, 0
    for is_truth, rows in runs:
        times = []
        for gap, _, _ in rows:
            clock += gap
            times.append(clock)
        labels = [f"t{first + i}" if is_truth or number == 4 else None for i, (_, _, number) in enumerate(rows)]
        columns: dict[str, list[Any]] = {"truth.label": labels}
        if not is_truth:
            columns["inputs.x"] = [[1.5, "text", None, True, 2**70][number] for _, _, number in rows]
        ids = [id_ for _, id_, _ in rows]
        made.append(make_batch(times, columns, ids=ids, first=first, truth=is_truth))
        first += len(rows)
    return made


def run(join: Join, batch: Batch) -> list[tuple[str, Any, Any]]:
    joined = join.truths(batch) if batch.truth else join.events(batch)
    if joined is None:
        return []
    return list(zip(joined.ids, joined.columns["inputs.x"], joined.columns["truth.label"], strict=True))


@settings(max_examples=150)
@given(runs=RUNS, sizes=st.lists(st.integers(1, 5), min_size=1, max_size=3))
def test_the_join_equals_dictionaries_whatever_the_cuts_and_restarts(runs: list[Any], sizes: list[int]) -> None:
    whole, pieces, reference = Join(("inputs.x",), "m", LIMITS), Join(("inputs.x",), "m", LIMITS), Reference()
    found: list[tuple[str, Any, Any]] = []
    again: list[tuple[str, Any, Any]] = []
    for batch in batches(runs):
        found += run(whole, batch)
        for piece in cut(batch, sizes):
            again += run(pieces, piece)
            saved = load(dump(pieces.save()))
            pieces = Join(("inputs.x",), "m", LIMITS)
            pieces.load(saved)
        for row, (id_, clock) in enumerate(zip(batch.ids, batch.recorded_at.tolist(), strict=True)):
            label = batch.columns["truth.label"][row]
            if batch.truth:
                reference.truth(id_, clock, label)
            else:
                reference.event(id_, clock, batch.columns["inputs.x"][row], label)
        assert dump(whole.save()) == dump(pieces.save())
    plain = [(id_, None if x is MISSING else x, truth) for id_, x, truth in found]
    assert plain == reference.joined
    assert again == found
    assert {name: whole.counts[name] for name in reference.counts} == reference.counts
    assert whole.waiting == len(reference.waiting)


def test_blocks_and_bytes_do_not_depend_on_cuts_either() -> None:
    limits = JoinLimits(bytes=700_000)
    whole, pieces = Join(("inputs.x",), "m", limits), Join(("inputs.x",), "m", limits)
    rng = np.random.default_rng(7)
    for turn in range(8):
        n = 5000
        ids = [f"i{i}" for i in rng.integers(0, 30_000, n)]
        columns = {"inputs.x": [f"text {i}" for i in rng.integers(0, 500, n)]}
        batch = make_batch([BASE + turn] * n, columns, ids=ids, first=turn * n)
        labels = {"truth.label": ["x"] * 800}
        label_ids = [f"i{i}" for i in rng.integers(0, 30_000, 800)]
        truth = make_batch([BASE + turn + 0.5] * 800, labels, ids=label_ids, truth=True)
        found = [run(whole, batch), run(whole, truth)]
        parts = rng.integers(1, 900, 20).tolist()
        again = [[row for piece in cut(b, parts) for row in run(pieces, piece)] for b in (batch, truth)]
        assert again == found
        assert dump(whole.save()) == dump(pieces.save())
    assert whole.counts["never"] > 0
    assert whole.counts["duplicate"] > 0


@pytest.mark.parametrize("value", WILD, ids=repr)
def test_any_value_is_kept_or_counted_and_evaluates_as_it_did(value: Any) -> None:
    join = Join(("inputs.x",), "m")
    events = make_batch([BASE] * 2, {"inputs.x": [value, 0.5]}, ids=["\ud800", "b"], versions=["\ud800", None])
    join.events(events)
    saved = load(dump(join.save()))
    join = Join(("inputs.x",), "m")
    join.load(saved)
    joined = join.truths(make_batch([BASE], {"truth.x": [value]}, ids=["\ud800"], truth=True))
    assert joined is not None
    kept = not isinstance(value, list | dict)
    assert join.counts["folded"] == (0 if kept else 1)
    if kept:
        numbers = [float(b.numbers("inputs.x")[0][0]) for b in (events, joined)]
        assert numbers[0] == pytest.approx(numbers[1], rel=0, abs=0, nan_ok=True)
        assert events.numbers("inputs.x")[1][0] == joined.numbers("inputs.x")[1][0]
        if not isinstance(value, int) or abs(value) < 10**300:
            assert events.texts("inputs.x")[0] == joined.texts("inputs.x")[0]


def test_early_truths_of_any_value_are_kept_or_counted() -> None:
    join = Join(("inputs.x",), "m")
    ids = [f"e{i}" for i in range(len(WILD))]
    join.truths(make_batch([BASE] * len(WILD), {"truth.x": list(WILD)}, ids=ids, truth=True))
    saved = load(dump(join.save()))
    join = Join(("inputs.x",), "m")
    join.load(saved)
    joined = join.events(make_batch([BASE] * len(WILD), {}, ids=ids))
    assert joined is not None
    assert joined.ids == ids
    assert join.counts["folded"] == 3  # the list, the object, the number of 400 digits
