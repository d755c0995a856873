"""A rule that goes from shadow to live: what it reported to nobody is looked at again, and told if it is still so."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from window_batches import BASE, cut, make_batch

from monitor.core.events import Batch
from monitor.core.modelwatch import ModelWatch
from monitor.core.notices.model import Policy, Receiver, Route
from monitor.core.rehearse import Rehearsal
from monitor.core.rules.model import Book, Detect, Pack, Position, Rule, Windowed
from monitor.core.state import dump, load
from monitor.core.watcher import Mark

POLICY = Policy((Receiver("phone"),), (Route(("phone",)),), group_wait=0.0)
SHIFT = Detect("shift", ("inputs.x",), method="adwin", parameters={"delta": 0.002}, budget=False)
TREES = {"n_trees": 5, "height": 4, "window_size": 100}
ANOMALY = Detect("anomaly", ("inputs.x",), method="half_space_trees", parameters=TREES, budget=False)
LOW = Windowed("measure", "mean(inputs.x)", 60.0, above=2.0)
EACH = 100  # events of one step


def a_book(form: Any, stage: Any) -> Book:
    rule = Rule("p", "R", form, "high", Position("p.yaml", 1, 1), stage=stage)
    return Book((Pack("p", ("*",), (rule,)),), stage)


class Story:
    """A model whose `inputs.x` is normal around a level, a step of `EACH` events every minute."""

    def __init__(self, form: Any) -> None:
        self.form = form
        self.rehearsal = Rehearsal(a_book(form, "shadow"), POLICY)
        self.random = np.random.default_rng(7)
        self.steps = 0

    def go_on(self, level: float, steps: int, more: tuple[Mark, ...] = ()) -> None:
        for _ in range(steps):
            at = BASE + 60.0 * self.steps
            x = (level + self.random.normal(size=EACH)).tolist()
            batch: Batch = make_batch([at] * EACH, {"inputs.x": x}, first=EACH * self.steps)
            self.rehearsal.step(at, [batch], tick=True, more=more)
            self.steps, more = self.steps + 1, ()

    def promote(self, level: float, steps: int) -> None:
        self.rehearsal.book = a_book(self.form, "live")
        self.go_on(level, steps, (Mark("book", BASE + 60.0 * self.steps, body={"digest": "live"}),))

    def stages(self) -> list[tuple[str, str]]:
        return sorted((i.stage, i.state) for i in self.rehearsal.view.incidents.values())

    def paged(self) -> set[str]:
        incidents = self.rehearsal.view.incidents
        return {incidents[notice.incident].stage for notice in self.rehearsal.notices}


@pytest.mark.parametrize("form", [SHIFT, ANOMALY], ids=["shift", "anomaly"])
@pytest.mark.parametrize("still", [True, False], ids=["still so", "over"])
def test_what_a_detector_latched_on_in_shadow_is_told_when_it_goes_live_if_it_is_still_so(
    form: Detect, still: bool
) -> None:
    story = Story(form)
    story.go_on(0.0, 15)
    story.go_on(6.0, 10)
    assert story.stages() == [("shadow", "open")] and story.paged() == set()
    story.go_on(6.0 if still else 0.0, 10)
    story.promote(6.0 if still else 0.0, 10)
    assert story.paged() == ({"live"} if still else set())
    assert story.stages() == ([("live", "open")] if still else []) + [("shadow", "open")]
    if not still:  # and it watches
        story.go_on(6.0, 10)
        assert story.paged() == {"live"}


def test_a_small_shift_that_goes_on_is_told_too() -> None:
    story = Story(SHIFT)
    story.go_on(0.0, 15)
    story.go_on(1.0, 20)
    assert story.stages() == [("shadow", "open")]
    story.promote(1.0, 3)
    assert story.paged() == {"live"}


def test_a_level_that_holds_when_its_rule_goes_live_is_told() -> None:
    for level, paged, stages in ((6.0, {"live"}, [("live", "open"), ("shadow", "recovered")]), (0.0, set(), None)):
        story = Story(LOW)
        story.go_on(6.0, 5)
        assert story.stages() == [("shadow", "open")]
        story.go_on(level, 2)
        story.promote(level, 3)
        assert story.paged() == paged and story.stages() == (stages or [("shadow", "recovered")])


def test_a_detector_that_has_reported_nothing_goes_on_as_it_was() -> None:
    parts = []
    for stage in ("shadow", "live"):
        part = ModelWatch("m", a_book(SHIFT, "shadow"), BASE)
        part.observe(make_batch([BASE] * 500, {"inputs.x": [float(i % 7) for i in range(500)]}))
        part.adopt(a_book(SHIFT, stage))
        parts.append(dump(part.save()["watchers"]))
    assert parts[0] == parts[1]


def test_a_rule_that_stays_live_or_goes_back_to_shadow_is_not_looked_at_again() -> None:
    for stages in (("live", "live"), ("live", "shadow"), ("shadow", "shadow")):
        part = ModelWatch("m", a_book(SHIFT, stages[0]), BASE)
        x = [0.01 * (i % 7) for i in range(600)] + [5.0 + 0.01 * (i % 7) for i in range(300)]
        assert part.observe(make_batch([BASE] * 900, {"inputs.x": x}))
        before = dump(part.save()["watchers"])
        part.adopt(a_book(SHIFT, stages[1]))
        assert dump(part.save()["watchers"]) == before


def test_doubt_is_saved_and_ends_after_a_while() -> None:
    part = ModelWatch("m", a_book(SHIFT, "shadow"), BASE)
    x = [0.01 * (i % 7) for i in range(600)] + [5.0 + 0.01 * (i % 7) for i in range(300)]
    part.observe(make_batch([BASE] * 900, {"inputs.x": x}))
    part.adopt(a_book(SHIFT, "live"))
    part.observe(make_batch([BASE] * 3, {"inputs.x": [5.0, 5.01, 5.02]}, first=900))
    again = ModelWatch("m", a_book(SHIFT, "live"), BASE)
    assert again.load(load(dump(part.save()))) == [] and dump(again.save()) == dump(part.save())
    for line in (part, again):
        found = line.observe(make_batch([BASE] * 3, {"inputs.x": [5.03, 5.0, 5.01]}, first=903))
        assert [(f.evidence.n, round(f.evidence.value or 0)) for f in found] == [(5, 5)]
    assert dump(again.save()) == dump(part.save())


@pytest.mark.parametrize("size", [1, 4, 7, 50])
def test_where_batches_are_cut_changes_nothing_of_a_second_look(size: int) -> None:
    random = np.random.default_rng(5)
    x = [*random.normal(size=1000), *(0.6 + random.normal(size=700))]
    before = make_batch([BASE] * 1400, {"inputs.x": x[:1400]})
    after = make_batch([BASE] * 300, {"inputs.x": x[1400:]}, first=1400)
    told = []
    for sizes in ([], [size]):
        part = ModelWatch("m", a_book(SHIFT, "shadow"), BASE)
        part.observe(before)
        part.adopt(a_book(SHIFT, "live"))
        found = [f for piece in cut(after, sizes) for f in part.observe(piece)]
        told.append([(f.evidence.n, f.evidence.value) for f in found])
    assert told[0] == told[1] != []


def test_a_rule_that_broke_in_shadow_starts_afresh_when_it_goes_live() -> None:
    part = ModelWatch("m", a_book(SHIFT, "shadow"), BASE)

    def broken(*_: Any) -> Any:
        raise RuntimeError("worn out")

    part.watchers["p/R"].observe = broken  # type: ignore[method-assign]
    part.observe(make_batch([BASE], {"inputs.x": [1.0]}))
    assert part.failures() and list(part.failed) == ["p/R"]
    part.adopt(a_book(SHIFT, "shadow"))
    assert list(part.failed) == ["p/R"]
    part.adopt(a_book(SHIFT, "live"))
    assert part.failed == {} and list(part.watchers) == ["p/R"]


DAY, QUARTER = 86_400.0, 900.0


@pytest.mark.parametrize("still", [True, False], ids=["still so", "over"])
def test_a_shift_rule_under_a_budget_pages_by_its_reference_when_it_goes_live(still: bool) -> None:
    """Latched in shadow it would go on from where things are now, a day later, and nobody would ever be told."""
    form = Detect("shift", ("inputs.x",))
    part = ModelWatch("m", a_book(form, "shadow"), BASE)
    random = np.random.default_rng(3)
    seen = 0

    def a_day(level: float) -> list[Any]:
        nonlocal seen
        n = int(DAY / QUARTER)
        clock = BASE + QUARTER * (seen + np.arange(n))
        batch = make_batch(clock.tolist(), {"inputs.x": (level + random.normal(size=n)).tolist()}, first=seen)
        seen += n
        return part.observe(batch)

    quiet = [found for _ in range(15) for found in a_day(0.0)]
    drifted = [found for _ in range(3) for found in a_day(3.0)]
    assert not quiet and drifted
    a_day(3.0 if still else 0.0)
    a_day(3.0 if still else 0.0)
    part.adopt(a_book(form, "live"))
    after = [found for _ in range(4) for found in a_day(3.0 if still else 0.0)]
    assert bool(after) is still
