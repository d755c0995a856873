"""The speed bench: its rows, its page, and what CI refuses."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from bench import curves, engines, page, pump, results, shares, speed
from bench.events import lines
from bench.fleet import bodies

GOOD: dict[str, Any] = {
    "name": "pump_vs_river",
    "ratio": 5.0,
    "cpu_ratio": 5.0,
    "commits_a_second": 20.0,
    "synchronous": 2,
    "incidents": 1,
    "findings_equal": True,
    "findings_sha256": "ab",
}


@pytest.mark.parametrize(
    ("key", "value"),
    [("cpu_ratio", 1.9), ("commits_a_second", 9.0), ("synchronous", 1), ("incidents", 0), ("findings_equal", False)],
)
def test_ci_refuses_a_row_that_lacks_any_of_what_it_promises(key: str, value: object) -> None:
    assert speed.wrong(GOOD) == []
    assert len(speed.wrong({**GOOD, key: value})) == 1


def test_the_pump_finds_the_drift_that_the_raw_loop_finds_at_the_same_event() -> None:
    (row,) = pump.rows(6_000, 1, 3)
    assert row["findings_equal"] and row["incidents"] >= 1 and row["synchronous"] == 2 and row["commits"] > 1
    assert row["findings_sha256"] != pump.digest([]) and row["bytes_an_event"] in range(590, 610)


@pytest.mark.slow
def test_two_engine_processes_find_what_one_finds() -> None:
    (row,) = engines.rows(16_000, 1, 3)
    assert row["findings_equal"] and row["findings_sha256"] != pump.digest([]) and row["commits"] > 1
    assert row["cpu_ratio"] > 0 and 0 <= row["waited_share"] < 1


def test_the_page_says_what_two_processes_got_of_the_machine(tmp_path: Path) -> None:
    told = {"events": 200_000, "findings_equal": True, "cpu_ratio": 1.05, "processors_got": [1.9, 2.0]}
    page.write([results.row("two_processes", "events/s", [9.0], 5.0, **told, waited_share=0.0123)], tmp_path)
    text = (tmp_path / "performance.md").read_text()
    assert (
        "they find the same. An event costs 1.05 times" in text
        and "got 1.90, 2.00 processors" in text
        and "1.2% of" in text
    )


def test_the_shares_of_the_pump_are_all_of_its_time() -> None:
    (row,) = shares.rows(4_000, 1, 3)
    assert row["samples"] > 0 and sum(row["shares"].values()) == pytest.approx(100.0, abs=1.0)
    assert "## Where the time goes" in page.text([{**results.row("a", "s", [1.0], 4.0)}, row])
    assert shares.part_of(sys._getframe()) is None  # outside a turn


def test_another_drift_has_another_digest() -> None:
    assert pump.digest([("x3", 5)]) != pump.digest([("x3", 6)])


def test_rows_of_one_group_leave_those_of_others_and_the_pump_comes_first(tmp_path: Path) -> None:
    file = tmp_path / "speed.json"
    results.write([results.row("a", "s", [1.0, 2.0, 9.0], 4.0)], file)
    results.write([{**results.row("pump_vs_river", "events/s", [8.0], 4.0)}], file)
    results.write([results.row("a", "s", [3.0], 4.0)], file)
    assert [(one["name"], one["value"]) for one in json.loads(file.read_text())] == [("pump_vs_river", 8.0), ("a", 3.0)]


def test_the_page_says_what_the_results_say_and_draws_its_curves(tmp_path: Path) -> None:
    (tmp_path / "img").mkdir()
    drawn = {**results.row("curve_rules", "us/event", [30.0], 3.0), "sizes": [1, 10, 100], "values": [3.0, 9.5, 30.0]}
    page.write([results.row("idle", "% of a core", [0.25], 0.5), drawn], tmp_path)
    text = (tmp_path / "performance.md").read_text()
    assert "| idle | 0.25 | % of a core | 0.5 | 0.5 | 0.25 |" in text and "| us/event | 3.0 | 9.5 | 30.0 |" in text
    assert (tmp_path / "img" / "curve_rules.svg").read_text().count("<circle") == 3


def test_the_page_in_the_repository_is_the_one_that_the_results_make() -> None:
    assert (page.DOCS / "performance.md").read_text() == page.text(results.read())


def test_curves_have_a_value_for_every_size() -> None:
    for row in curves.rows(1, 10):
        assert len(row["sizes"]) == len(row["values"]) and min(row["values"]) > 0.0


def test_a_fleet_takes_turns(tmp_path: Path) -> None:
    (body,) = bodies(3, 2, 7, 1)
    assert [json.loads(line)["model"][-1] for line in body.split(b"\n")] == list("0120120")
    assert len(lines(3, 1)) == 3
