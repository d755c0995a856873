"""The packs in `rules/`: they load without a remark, pass their tests, and their tests notice every change."""

from __future__ import annotations

import gzip
import importlib.util
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from monitor.core.columns import Columns
from monitor.core.detectors.build import detector_watcher
from monitor.core.events import Batch
from monitor.core.rules.check import check_book
from monitor.core.rules.model import Detect, Pack, Rule
from monitor.core.rules.testfile import PackTest
from monitor.runtime import books
from monitor.runtime.packtests import run_test, survivors

RULES = Path(__file__).resolve().parents[2] / "rules"


@cache
def packs() -> tuple[tuple[Pack, tuple[PackTest, ...]], ...]:
    return tuple((pack, tests) for pack, _, tests in books.tests_of(books.Shelf([RULES])))


def every_test() -> list[tuple[Pack, PackTest]]:
    return [(pack, test) for pack, tests in packs() for test in tests]


def every_rule() -> list[tuple[Rule, tuple[PackTest, ...]]]:
    return [(rule, tests) for pack, tests in packs() for rule in pack.rules]


def test_the_shipped_packs_load_without_a_remark() -> None:
    book, source, found = books.Shelf([RULES]).load()
    assert not found
    assert [pack.name for pack in book.packs] == ["base", "shuttle-demo"]
    assert not check_book(book, books.documents_of(source))


@pytest.mark.parametrize(("pack", "test"), [pytest.param(*case, id=case[1].name) for case in every_test()])
def test_a_pack_passes_its_tests(pack: Pack, test: PackTest) -> None:
    assert not [failure.sentence for failure in run_test(pack, test)]


@pytest.mark.parametrize(("rule", "tests"), [pytest.param(*case, id=case[0].key) for case in every_rule()])
def test_each_rule_has_a_test_that_fires_and_a_near_miss(rule: Rule, tests: tuple[PackTest, ...]) -> None:
    named = [test for test in tests if rule.name in test.name]
    fires = [t for t in named if any(i.rule == rule.key for e in t.expect for i in e.incidents or ())]
    assert fires
    assert len(fires) < len(named)


@pytest.mark.parametrize("rule", [pytest.param(case[0], id=case[0].key) for case in every_rule()])
def test_each_rule_says_in_whole_sentences_what_it_means_and_what_to_do(rule: Rule) -> None:
    for name in ("summary", "meaning", "action"):
        assert rule.annotations[name].endswith(".")


def test_shift_rules_of_the_base_pack_stay_in_shadow_until_the_page_budget() -> None:
    base = packs()[0][0]
    shifts = [rule for rule in base.rules if isinstance(rule.form, Detect) and rule.form.kind == "shift"]
    assert len(shifts) == 2
    assert {rule.stage for rule in shifts} == {"shadow"}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["base", "shuttle-demo"])
def test_every_change_of_a_rule_is_noticed_by_a_test(name: str) -> None:
    pack, tests = next(found for found in packs() if found[0].name == name)
    assert not survivors(pack, tests)


def shuttle() -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """The nine sensors of River's Shuttle data, in the order of the file."""
    spec = importlib.util.find_spec("river")
    assert spec is not None
    assert spec.origin is not None
    with gzip.open(Path(spec.origin).parent / "datasets" / "shuttle.csv.gz", "rt") as lines:
        header = next(lines).strip().split(",")
        table = np.loadtxt(lines, delimiter=",")
    return table[:, [header.index(f"f{i}") for i in range(1, 10)]]


def alarms(rows: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> list[tuple[int, str]]:
    """(row, column) of what the demo's SensorShift finds, fed in batches of a thousand."""
    rule = next(rule for rule in packs()[1][0].rules if rule.name == "SensorShift")
    columns = Columns()
    watcher = detector_watcher(rule, "shuttle-1", columns)
    found: list[tuple[int, str]] = []
    for start in range(0, len(rows), 1_000):
        part = rows[start : start + 1_000]
        n = len(part)
        at = np.arange(start, start + n, dtype=np.float64)
        values = {f"inputs.s{i + 1}": part[:, i].tolist() for i in range(9)}
        batch = Batch(
            "shuttle-1", [str(i) for i in range(start, start + n)], at, at, at.astype(int), values, [None] * n
        )
        columns.learn(batch)
        found += [(int(f.evidence.at), f.evidence.column) for f in watcher.observe(batch, at)]
    return found


def test_the_demo_rule_is_silent_on_the_undisturbed_shuttle_data() -> None:
    assert alarms(shuttle()) == []


@pytest.mark.parametrize("sensor", range(9))
def test_the_demo_rule_finds_a_sensor_in_another_unit_within_a_hundred_rows(sensor: int) -> None:
    rows = shuttle()[:12_000]
    changed = 4_000 + 617 * sensor
    rows[changed:, sensor] = rows[changed:, sensor] * 1.8 + 32
    found = alarms(rows)
    assert [column for _, column in found] == [f"inputs.s{sensor + 1}"]
    assert changed <= found[0][0] < changed + 100
