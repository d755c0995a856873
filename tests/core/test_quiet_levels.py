"""A level that holds nowhere is kept until it may be another; what is kept says what a fresh look would say."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.core.bank import Bank
from monitor.core.events import Batch
from monitor.core.findings import YES, Level
from monitor.core.rules.model import Absent, Book, Pack, Position, Rule, Windowed
from monitor.core.step import Step, observe
from monitor.core.watcher import Mark

T0 = 1_700_000_000.0
WHERE = Position("p/pack.yaml", 1, 1)
FORMS: dict[str, Windowed | Absent] = {
    "Share": Windowed("share", "output.y < 0.5", 900.0, above=0.4, min_events=5),
    "Count": Windowed("count", "output.y < 0.5", 600.0, above=50.0),
    "Few": Windowed("count", "output.y < 2", 600.0, below=3.0),
    "Rate": Windowed("measure", "rate()", 600.0, above=0.01),
    "Slow": Windowed("measure", "p99(output.y)", 900.0, above=0.99, min_events=10),
    "Fell": Windowed("compare", "mean(output.y)", 3600.0, against="previous_period", below=0.2, min_events=5),
    "Silent": Absent(600.0),
}


@pytest.fixture
def book() -> Book:
    return Book((Pack("p", ("*",), tuple(Rule("p", name, form, "high", WHERE) for name, form in FORMS.items())),), "b")


def a_batch(at: float, values: list[float], offset: int) -> Batch:
    n = len(values)
    times = np.full(n, at)
    columns = {"output.y": list(values)}
    return Batch(
        "m", [str(offset + i) for i in range(n)], times, times, np.arange(offset, offset + n), columns, [None] * n
    )


def said(levels: list[Level]) -> list[object]:
    """All that is decided on."""
    return [
        (one.rule, one.segments, one.holds.tolist(), one.n.tolist() if (one.holds == YES).any() else None)
        for one in levels
    ]


def test_what_is_kept_says_at_every_tick_what_a_fresh_look_says(book: Book) -> None:
    rng = np.random.default_rng(5)
    kept, fresh = Bank(0, book), Bank(0, book)
    holding = 0
    for number in range(1, 1200):
        at = T0 + 15.0 * number
        busy = number % 400 in (*range(1, 5), *range(60, 64), *range(200, 230, 7))
        batches = [a_batch(at, rng.uniform(0.0, 1.0, 12).tolist(), 100 * number)] if busy else []
        step = Step(0, number, 1, 0, 0, at, "b", (Mark("tick", at),))
        for part in fresh.models.values():
            part._stir()
        one = observe(kept, step, batches, {"b": book}.__getitem__)
        other = observe(fresh, step, batches, {"b": book}.__getitem__)
        assert said(one.levels) == said(other.levels), number
        holding += sum(bool((level.holds == YES).any()) for level in one.levels)
    assert holding > 50
    assert kept.digest() == fresh.digest()


def test_a_model_of_which_nothing_comes_is_looked_at_only_when_a_window_moves_on(book: Book) -> None:
    bank, made = Bank(0, book), dict[str, list[Level]]()
    for number in range(1, 402):
        at = T0 + 15.0 * number
        batches = [a_batch(at, [0.9] * 12, 0)] if number == 1 else []
        found = observe(bank, Step(0, number, 1, 0, 12, at, "b", (Mark("tick", at),)), batches, {"b": book}.__getitem__)
        for level in found.levels:
            made.setdefault(level.rule, []).append(level)
    looks = {rule: len({id(level) for level in levels}) for rule, levels in made.items()}
    assert all(len(levels) == 401 for levels in made.values())
    assert max(looks[f"p/{name}"] for name in ("Fell", "Share", "Slow")) <= 8
