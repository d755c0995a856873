from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from window_batches import BASE, make_batch

from monitor.core.events import MISSING, Batch
from monitor.core.joins import Join, JoinLimits
from monitor.core.state import StateError, dump, load

LABEL = "output.label"
COLUMNS = (LABEL, "inputs.amount")
DAY = 86400.0


def events(ids: str, at: float = 0.0, columns: dict[str, list[Any]] | None = None, **more: Any) -> Batch:
    """Events named by letters, all `at` seconds after the beginning."""
    given: dict[str, list[Any]] = {
        LABEL: [f"label {i}" for i in ids],
        "inputs.amount": [float(ord(i)) for i in ids],
        **(columns or {}),
    }
    return make_batch([BASE + at] * len(ids), given, ids=list(ids), **more)


def truths(ids: str, at: float = 10.0, **more: Any) -> Batch:
    return make_batch(
        [BASE + at] * len(ids),
        {"truth.label": [f"true {i}" for i in ids]},
        ids=list(ids),
        truth=True,
        first=100,
        **more,
    )


def test_a_truth_that_comes_later_is_joined_with_the_columns_that_were_kept() -> None:
    join = Join(COLUMNS, "m")
    assert join.events(events("abc", columns={"inputs.other": [1, 2, 3]}, versions=["1", "1", "2"])) is None
    joined = join.truths(truths("cxa"))
    assert joined is not None
    assert joined.ids == ["c", "a"]
    assert joined.columns == {
        LABEL: ["label c", "label a"],
        "inputs.amount": [99.0, 97.0],
        "truth.label": ["true c", "true a"],
    }
    assert joined.versions == ["2", "1"]
    assert joined.offsets.tolist() == [100, 102]
    assert joined.recorded_at.tolist() == [BASE + 10.0] * 2
    assert not joined.truth
    assert (join.counts["joined"], join.pending, join.waiting) == (2, 3, 1)


def test_truth_that_comes_with_the_event_is_joined_at_once() -> None:
    join = Join(COLUMNS, "m")
    joined = join.events(events("abc", columns={"truth.label": ["x", None, "y"]}))
    assert joined is not None
    assert joined.ids == ["a", "c"]
    assert joined.columns["truth.label"] == ["x", "y"]
    assert join.truths(truths("a")) is None
    assert (join.counts["joined"], join.counts["duplicate"]) == (2, 1)


def test_truth_that_comes_first_waits_for_its_event() -> None:
    join = Join(COLUMNS, "m")
    assert join.truths(truths("bd", at=0.0)) is None
    assert join.waiting == 2
    joined = join.events(events("abc", at=5.0, versions=["1", "2", "3"]))
    assert joined is not None
    assert joined.ids == ["b"]
    assert joined.columns == {LABEL: ["label b"], "inputs.amount": [98.0], "truth.label": ["true b"]}
    assert (joined.versions, joined.offsets.tolist(), joined.recorded_at.tolist()) == (["2"], [1], [BASE + 5.0])
    assert (join.counts["joined"], join.counts["early"], join.waiting) == (1, 1, 1)


def test_early_and_inline_truth_of_one_batch_come_in_the_order_of_events() -> None:
    join = Join(COLUMNS, "m")
    join.truths(make_batch([BASE], {"truth.score": [0.5]}, ids=["b"], truth=True))
    joined = join.events(events("abc", columns={"truth.label": ["x", None, "z"]}))
    assert joined is not None
    assert joined.ids == ["a", "b", "c"]
    assert joined.columns["truth.label"] == ["x", MISSING, "z"]
    assert joined.columns["truth.score"] == [MISSING, 0.5, MISSING]


def test_a_second_truth_is_a_duplicate_wherever_it_comes() -> None:
    join = Join(COLUMNS, "m")
    join.events(events("ab"))
    joined = join.truths(truths("aab"))
    assert joined is not None
    assert joined.ids == ["a", "b"]
    assert join.truths(truths("b")) is None
    join.truths(truths("zz"))
    assert join.counts["duplicate"] == 3
    assert join.waiting == 1
    join.events(events("z", columns={"truth.label": ["inline"]}))
    assert (join.counts["duplicate"], join.waiting) == (4, 0)


def test_an_event_that_comes_again_is_kept_once() -> None:
    join = Join(COLUMNS, "m")
    join.events(events("aa"))
    join.events(events("a", columns={"truth.label": ["x"]}))
    assert (join.pending, join.counts["repeated"], join.counts["joined"]) == (1, 2, 0)


def test_after_thirty_days_neither_waits_any_longer() -> None:
    join = Join(COLUMNS, "m")
    join.events(events("a"))
    join.truths(truths("b", at=0.0))
    assert join.truths(truths("a", at=31 * DAY)) is None
    assert join.counts["expired"] == 1  # b
    assert join.events(events("b", at=31 * DAY)) is None
    assert (join.counts["joined"], join.waiting) == (0, 1)  # a's truth waits for another event of this id


def test_truth_after_it_should_be_ripe_is_late_and_joined() -> None:
    join = Join(COLUMNS, "m", JoinLimits(matures=DAY))
    join.events(events("ab"))
    join.truths(truths("a", at=DAY))
    join.truths(truths("b", at=DAY + 1.0))
    assert (join.counts["joined"], join.counts["late"]) == (2, 1)


def test_events_dropped_without_a_truth_are_counted_as_never() -> None:
    join = Join(COLUMNS, "m")
    for turn in range(3):
        ids = [f"{turn}-{i}" for i in range(4096)]
        join.events(make_batch([BASE + turn * 20 * DAY] * 4096, {}, ids=ids))
    join.truths(make_batch([BASE + 40 * DAY], {"truth.label": ["x"]}, ids=["1-7"], truth=True))
    assert (join.counts["joined"], join.counts["never"], join.pending) == (1, 4096, 2 * 4096)


def test_the_byte_bound_drops_the_oldest_and_three_columns_take_under_sixty_bytes() -> None:
    join = Join(("a", "b", "c"), "m", JoinLimits(bytes=2_000_000))
    rng = np.random.default_rng(1)
    for turn in range(100):
        columns = {"a": rng.random(1000).tolist(), "b": ["yes", "no"] * 500, "c": rng.integers(0, 99, 1000).tolist()}
        join.events(make_batch([BASE + turn] * 1000, columns, first=turn * 1000))
    assert 1_700_000 / 65 < join.pending <= 2_000_000 / 50
    assert join.pending + join.counts["never"] == 100_000
    assert join.memory() / join.pending < 70
    joined = join.truths(make_batch([BASE + 200], {"truth.x": [1]}, ids=["e99999"], truth=True))
    assert joined is not None
    assert join.truths(make_batch([BASE + 200], {"truth.x": [1]}, ids=["e0"], truth=True)) is None


def test_a_flood_of_truths_without_events_is_bounded() -> None:
    join = Join(COLUMNS, "m", JoinLimits(bytes=1_000_000))
    for turn in range(10):
        ids = [f"{turn}-{i}" for i in range(1000)]
        batch = make_batch([BASE + turn] * 1000, {"truth.label": ["x" * 100] * 1000}, ids=ids, truth=True)
        join.truths(batch)
    assert join.waiting + join.counts["expired"] == 10_000
    assert join.memory() < 1_000_000
    assert join.events(make_batch([BASE + 20], {}, ids=["0-0"])) is None
    assert join.events(make_batch([BASE + 20], {}, ids=["9-999"])) is not None


def test_state_that_kept_other_columns_is_refused() -> None:
    join = Join(COLUMNS, "m")
    join.events(events("abc"))
    saved = load(dump(join.save()))
    with pytest.raises(StateError, match="pending events keep columns"):
        Join(("output.label",), "m").load(saved)
    with pytest.raises(StateError, match="version 2"):
        Join(COLUMNS, "m").load({**saved, "v": 2})
