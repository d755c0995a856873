"""How costs grow: with series, rules and models; and what one model's events cost beside many other models."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from bench.results import Row, row
from monitor.core.bank import Bank
from monitor.core.events import Batch
from monitor.core.rules.model import Book, Detect, Pack, Position, Rule, Windowed
from monitor.core.step import Step, observe
from monitor.core.watcher import Mark
from monitor.runtime.books import Shelf
from monitor.settings.parts import shipped

T0 = 1.7e9
WHERE = Position("curves/pack.yaml", 1, 1)
EVENTS = 1000  # of one model in one step
Books = Callable[[str], Book]


def rows(runs: int, most: int) -> list[Row]:
    """Microseconds an event, or a tick, for 1, 10, … up to `most` of what grows; medians, all in one run."""
    sizes = [size for size in (1, 10, 100, 1000, 10_000) if size <= most]
    return [
        _curve("curve_series", "us/event", [s for s in sizes if s >= 10], runs, _series),
        _curve("curve_rules", "us/event", [s for s in sizes if s <= 1000], runs, _rules),
        _curve("curve_other_models", "us/event of one model", sizes, runs, _others),
        _curve("curve_models_tick", "us/tick", sizes, runs, _ticks),
        _curve("curve_models_few", "us/model and step", [s for s in sizes if s <= 1000], runs, _few),
        _curve("curve_models_restored", "us/model", [s for s in sizes if s <= 1000], runs, _restored),
    ]


def _curve(name: str, unit: str, sizes: list[int], runs: int, measure: Callable[[int, int], list[float]]) -> Row:
    points = {size: sorted(measure(size, runs))[runs // 2] for size in sizes}
    values = list(points.values())
    told = {"sizes": sizes, "values": [float(f"{value:.4g}") for value in values]}
    return row(name, unit, [values[-1]], values[0], **told)


def _series(segments: int, runs: int) -> list[float]:
    """One share over the segments of one column; a segment is a series."""
    rule = Windowed("share", "output.y < 0.5", 900.0, above=0.99, by=("inputs.segment",), min_events=10)
    draw = np.random.default_rng(1)
    names = [f"s{i}" for i in range(segments)]
    book = _book([Rule("curves", "Share", rule, "high", WHERE)])
    return _steps(book, runs, lambda n: {"inputs.segment": [names[i] for i in draw.integers(0, segments, n)]})


def _rules(number: int, runs: int) -> list[float]:
    forms = [Windowed("share", f"output.y < {0.1 + 0.8 * i / number}", 900.0, above=0.99) for i in range(number)]
    return _steps(_book([Rule("curves", f"R{i}", form, "high", WHERE) for i, form in enumerate(forms)]), runs)


def _others(models: int, runs: int) -> list[float]:
    """Events of one model while so many others are known."""
    return _steps(_plain(), runs, others=models)


def _ticks(models: int, runs: int) -> list[float]:
    """A tick while nothing comes in."""
    bank, books = _bank(_plain()), {"b": _plain()}.__getitem__
    observe(bank, Step(0, 1, 1, 0, 0, T0, "b"), [_batch(f"m{i}", 5, T0, {}) for i in range(models)], books)
    taken = []
    for number in range(runs + 2):
        at = T0 + 15.0 * (number + 1)
        began = time.process_time()
        observe(bank, Step(0, number + 2, 1, 0, 0, at, "b", (Mark("tick", at),)), [], books)
        taken.append(1e6 * (time.process_time() - began))
    return taken[2:]  # the first two look at what has just come


def _few(models: int, runs: int) -> list[float]:
    """One event of each of so many models in one step, under the packs that come along."""
    book = _shipped()
    bank, taken = _bank(book), []
    for number in range(runs + 2):
        at = T0 + number
        batches = [_batch(f"m{i}", 1, at, {}) for i in range(models)]
        began = time.process_time()
        observe(bank, Step(0, number + 1, 1, 0, 0, at, book.digest), batches, {book.digest: book}.__getitem__)
        taken.append(1e6 * (time.process_time() - began) / models)
    return taken[2:]  # the first makes the models


def _restored(models: int, runs: int) -> list[float]:
    """A model from its snapshot, under the packs that come along."""
    book = _shipped()
    books = {book.digest: book}.__getitem__
    bank = _bank(book)
    observe(bank, Step(0, 1, 1, 0, 0, T0, book.digest), [_batch(f"m{i}", 10, T0, {}) for i in range(models)], books)
    saved, taken = [bank.dump(name) for name in bank.models], []
    for _ in range(runs):
        back = _bank(book)
        began = time.process_time()
        for data in saved:
            back.restore(data, 1, 1, books)
        taken.append(1e6 * (time.process_time() - began) / models)
    return taken


def _shipped() -> Book:
    return Shelf((shipped("_rules", "rules"),)).load()[0]


def _steps(
    book: Book, runs: int, more: Callable[[int], dict[str, list[str]]] = lambda n: {}, others: int = 0
) -> list[float]:
    bank, books = _bank(book), {"b": book}.__getitem__
    observe(bank, Step(0, 1, 1, 0, 0, T0, "b"), [_batch(f"m{i}", 5, T0, more(5)) for i in range(others)], books)
    taken = []
    for number in range(runs + 1):
        at = T0 + number
        batch = _batch("one", EVENTS, at, more(EVENTS))
        began = time.perf_counter()
        observe(bank, Step(0, number + 2, 1, 0, 0, at, "b"), [batch], books)
        taken.append(1e6 * (time.perf_counter() - began) / EVENTS)
    return taken[1:]  # the first makes the series


def _plain() -> Book:
    shift = Detect("shift", ("output.y",))
    share = Windowed("share", "output.y < 0.5", 900.0, above=0.99)
    return _book([Rule("curves", "Shift", shift, "high", WHERE), Rule("curves", "Share", share, "high", WHERE)])


def _book(rules: list[Rule]) -> Book:
    return Book((Pack("curves", ("*",), tuple(rules)),), "b")


def _bank(book: Book) -> Bank:
    return Bank(0, book, max_models=20_000)


def _batch(model: str, n: int, at: float, more: dict[str, list[str]]) -> Batch:
    values = np.random.default_rng(int(at)).uniform(0.0, 1.0, n).tolist()
    times = np.full(n, at)
    offsets = np.arange(n)
    return Batch(model, [str(i) for i in range(n)], times, times, offsets, {"output.y": values, **more}, [None] * n)
