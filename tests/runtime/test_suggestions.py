"""From the verdicts of a home to lines of its pack, and what they would have done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from pumping import T0, World

from monitor.core.backtest import Backtest
from monitor.core.columns import Columns
from monitor.core.detectors.budget.fit import Fitter
from monitor.core.events import Batch
from monitor.runtime.backtest import known
from monitor.runtime.backtest_report import Progress, report
from monitor.runtime.recorded import batches_of, of_spool
from monitor.runtime.suggest import changed, counts, suggestions

DAY = 86_400.0
PACK = """
pack: tests
models: ["m*"]
rules:
- alert: Shift
  detect: {shift: "inputs.*", tolerance: 0.01}
  severity: high
"""


def home_with_false_pages(make_world: Callable[..., World], days: int = 21) -> World:
    """A reference, and then a mean that wanders by two fifths of a standard deviation, which nobody cares for."""
    home = make_world(pack=PACK)
    rule = home.shelf.current.packs[0].rules[0]
    at = T0 - 3e7 + np.arange(4032) * 300.0
    x = np.random.default_rng(1).normal(0, 1, 4032).tolist()
    fitter = Fitter(rule, "m", Columns(), 1.0)
    fitter.feed_batch(
        Batch("m", [str(i) for i in range(4032)], at, at, np.arange(4032), {"inputs.x": x}, [None] * 4032)
    )
    home.desk.fit_reference("m", {"tests/Shift": fitter.result().pack()}, {}, "as trained", "sue", "supervisor")
    rng = np.random.default_rng(4)
    for day in range(days):
        level = 2.0 if day == 18 else 0.42 if day % 5 > 1 else 0.0
        home.clock.advance(DAY)
        times = home.clock.now() - 300.0 * np.arange(288)[::-1]
        values = rng.normal(level, 1, 288).tolist()
        home.post(*({"at": t, "inputs": {"x": v}} for t, v in zip(times.tolist(), values, strict=True)))
        home.drain()
        for incident in home.incidents():
            if incident["state"] != "closed":
                verdict = "real" if day == 18 else "false"
                home.desk.close(incident["id"], "sue", "supervisor", verdict=verdict)
                home.drain()
    return home


def test_false_pages_lead_to_a_line_of_the_pack_and_the_replay_shows_what_it_does(
    make_world: Callable[..., World],
) -> None:
    home = home_with_false_pages(make_world)
    verdicts = [i["verdict"] for i in home.incidents("Shift")]
    assert verdicts.count("false") > 3 and verdicts.count("real") == 1
    book, source, _ = home.shelf.load()
    (one,) = suggestions(home.database, book, source, 0.0, home.clock.now())
    assert one.proposal.tolerance is not None and one.proposal.tolerance > 0.05
    assert one.edit is not None and f"tolerance: {one.proposal.tolerance:g}" in one.edit.after
    assert 2.9 < one.proposal.record.weeks < 3.1
    other = changed(book, source, [one])
    assert other is not None
    before, after = tried(home, book), tried(home, other)
    assert before["matched"] == 1 and before["firings"] > 3
    assert after["matched"] == 1 and after["firings"] < before["firings"]
    assert after["gone"] > before["gone"]


def tried(home: World, book: Any) -> dict[str, int]:
    """The recorded traffic hour by hour: what ticks are is of no matter here."""
    facts = known(home.database, book, T0, home.clock.now(), [0])
    assert any("starts with version 1" in note for note in facts.notes)
    test, done = Backtest(book, facts.kinds, facts.given), Progress(T0, home.clock.now(), 1, 1.0)
    for record in of_spool(home.folder, 1, 0, 0.0):
        test.step(record.recorded_at, batches_of([record]))
    return counts(report(book, [test], facts, done).rows, "tests/Shift", "m")


def test_a_smaller_budget_is_a_line_of_the_settings(make_world: Callable[..., World]) -> None:
    home = home_with_false_pages(make_world, days=2)
    book, source, _ = home.shelf.load()
    (one,) = suggestions(home.database, book, source, 0.0, home.clock.now(), "m")
    cheaper = replace(
        one, proposal=replace(one.proposal, tolerance=None, budget=0.5), edit=None, settings="false_pages = 0.5"
    )
    other = changed(book, source, [cheaper])
    assert other is not None and other.options_for("m").false_pages == 0.5
    assert suggestions(home.database, book, source, 0.0, home.clock.now(), "nobody") == []


ALL = """
pack: tests
models: ["m*"]
rules:
- alert: Errors
  detect: {harm: output.label != truth.label}
  severity: high
- alert: Unusual
  detect: {anomaly: "inputs.*"}
  severity: high
- alert: Expected
  detect: {estimated_errors: output.confidence}
  severity: high
- alert: Broken
  detect: {quality: "inputs.*"}
  severity: high
"""


def test_every_rule_on_the_budget_is_judged_from_a_week_after_it_was_there(make_world: Callable[..., World]) -> None:
    home = make_world(pack=ALL)
    home.post({"at": home.clock.now(), "inputs": {"x": 1.0}, "output": {"label": "a", "confidence": 0.9}})
    home.drain()
    home.clock.advance(28 * DAY)
    book, source, _ = home.shelf.load()
    found = {one.rule: one.proposal.record for one in suggestions(home.database, book, source, 0.0, home.clock.now())}
    kinds = {
        "tests/Errors": ("harm", 0.005),
        "tests/Unusual": ("anomaly", 0.0),
        "tests/Expected": ("estimated_errors", 0.01),
    }
    assert {rule: (record.kind, record.tolerance) for rule, record in found.items()} == kinds
    assert all(abs(record.weeks - 3.0) < 0.1 for record in found.values())
