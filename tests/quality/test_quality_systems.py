"""The systems: River's are River's, the simple ones do what they say, the product is closed and re-armed by a person."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from bench.quality.run import run_stream
from bench.quality.score import Row
from bench.quality.stream import DAY, Setting, batch_of
from bench.quality.streams.drawn import Drawn, changed
from bench.quality.systems.ablation import STEPS, Ablation
from bench.quality.systems.base import NumberColumns
from bench.quality.systems.external import External
from bench.quality.systems.kswin import FastKswin
from bench.quality.systems.overloop import Overloop, book_of
from bench.quality.systems.river import River, scan
from bench.quality.systems.trivial import ThreeSigma


def one(stream: Any, system: Any) -> Row:
    (row,) = run_stream(stream, [system])
    return row


@pytest.mark.parametrize("alpha", [0.005, 0.05])
@pytest.mark.parametrize("coarse", [False, True])
def test_the_fast_kswin_decides_as_rivers_does(alpha: float, coarse: bool) -> None:
    from river.drift import KSWIN

    draw = random.Random(3)
    values = [draw.gauss(0.0 if i < 500 else 2.0, 1.0) for i in range(800)]
    values = [round(value) for value in values] if coarse else values
    theirs = scan(KSWIN(alpha=alpha, seed=1), np.array(values, float))
    assert scan(FastKswin(alpha=alpha, seed=1), np.array(values, float)) == theirs
    assert len(theirs) > 0


def test_river_is_fed_raw_values_in_order() -> None:
    from river.drift import ADWIN

    stream = changed("shift-2sd", 1)
    at, values = stream.arrays()
    hits = [int(i) for i in scan(ADWIN(), values) if at[i] >= stream.truth.reference_until]
    row = one(stream, River("adwin"))
    assert row.alarms == len(hits)
    assert row.page_rows[0] == hits[0]


def test_binary_detectors_refuse_other_values_than_zeros_and_ones() -> None:
    row = one(Drawn("iid", 1, weeks=1.0), River("ddm"))
    assert row.refused
    assert "zeros and ones" in str(row.why)
    assert not one(Drawn("bernoulli-0.05", 1, weeks=1.0), River("ddm")).refused


def test_three_sigma_learns_from_the_reference_only() -> None:
    at = DAY * np.arange(100.0)
    values = np.where(np.arange(100) % 2, 1.0, -1.0)
    values[[60, 70, 71]] = (2.9, 3.2, 50.0)
    run = ThreeSigma().start(Setting(50 * DAY))
    for start in range(0, 100, 33):
        part = slice(start, start + 33)
        run.feed(batch_of("m", at[part], {"inputs.x": values[part]}, start))
    assert [alarm.index for alarm in run.finish().alarms] == [70, 71]


def test_everybody_watches_the_number_inputs_and_skips_what_is_missing() -> None:
    columns = {"inputs.x": np.array([1.5, np.nan] * 100), "output.score": np.ones(200)}
    batch = batch_of("m", np.arange(200.0), columns)
    batch.columns["inputs.word"] = ["a"] * 200
    ((path, values, rows),) = NumberColumns().series(batch)
    assert path == "inputs.x"
    assert values.tolist() == [1.5] * 100
    assert rows.tolist() == list(range(0, 200, 2))


def test_a_library_that_is_not_installed_is_refused_visibly(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OVERLOOP_BENCH_ENVIRONMENTS", str(tmp_path))
    row = one(Drawn("iid", 1, weeks=0.2), External("nannyml"))
    assert row.refused
    assert "not installed" in str(row.why)


def test_the_product_finds_a_plain_shift_and_its_page_lies_at_an_event() -> None:
    stream = changed("shift-2sd", 2)
    row = one(stream, Overloop())
    assert row.detected == 1
    assert 1 <= row.delays_events[0] <= 40
    at, _ = stream.arrays()
    found = at[row.page_rows] - stream.truth.changes[0]
    assert min(abs(found - row.delays_seconds[0])) < 1.0


def test_an_incident_stays_open_and_a_further_change_reaches_its_person() -> None:
    draw = np.random.default_rng(1)
    at = 300.0 * np.arange(288 * 28)
    values = draw.standard_normal(len(at)) + 4.0 * (at >= 18 * DAY) + 8.0 * (at >= 23 * DAY)
    run = Overloop().start(Setting(14 * DAY))
    run.feed(batch_of("m", at, {"inputs.x": values}))
    (incident,) = run.rehearsal.view.incidents.values()
    pages = [alarm.at for alarm in run.finish().alarms]
    assert len(pages) == 2  # one for each step up; the state between them is told once
    assert [page // DAY for page in pages] == [18, 23]
    assert incident.state == "acknowledged"
    assert incident.worsened_at is not None  # the second page is a notice of the same incident
    assert incident.worsened_at >= pages[1]


def test_cutting_the_stream_elsewhere_changes_nothing() -> None:
    at, values = changed("shift-1sd", 3).arrays()
    setting = Setting(changed("shift-1sd", 3).truth.reference_until)

    def pages(rows: int) -> list[float]:
        run = Overloop().start(setting)
        for start in range(0, len(at), rows):
            part = slice(start, start + rows)
            run.feed(batch_of("m", at[part], {"inputs.x": values[part]}, start))
        return [alarm.at for alarm in run.finish().alarms]

    assert pages(577) == pages(8192) != []


def test_the_rule_book_is_the_default_one() -> None:
    ((pack, rule),) = book_of().rules_for("anything")
    assert pack.name == "quality"
    assert (rule.stage, rule.reference, rule.form.budget, rule.form.method) == ("live", None, True, None)
    assert book_of().options_for("anything").false_pages == 1.0


def test_the_parts_of_the_detector_are_put_together_one_by_one() -> None:
    calm, moved = Drawn("season-ar-0.7", 1001, weeks=2.0), changed("shift-1sd", 1001)
    steps = [Ablation(step) for step in range(len(STEPS))]
    pages = [row.false_pages for row in run_stream(calm, steps)]
    assert pages[0] >= 7  # a season alone is a shift for what does not know it
    assert max(pages[STEPS.index("+ tolerance") :]) <= 1
    found = run_stream(moved, steps)
    assert [row.system for row in found] == [f"overloop: {step}" for step in STEPS]
    assert all(1 <= row.delays_events[0] <= 60 for row in found)


def test_one_budget_for_all_pages_less_than_a_budget_for_each_column() -> None:
    stream = Drawn("twenty-0", 1002, weeks=1.0)
    alone, pooled = (run_stream(stream, [Ablation(STEPS.index(step))])[0] for step in ("+ recursion", "+ pooling"))
    assert pooled.false_pages < alone.false_pages
