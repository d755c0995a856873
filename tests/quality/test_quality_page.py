"""The plan, the page and the short form, on a scale that a test can bear."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from bench.quality import short
from bench.quality.calibrate import GRIDS, chosen, families
from bench.quality.evaluate import only, run_parts
from bench.quality.page import write
from bench.quality.plan import PARTS, Size, jobs
from bench.quality.results import Result, Table, load, save
from bench.quality.score import Row
from bench.quality.streams.drawn import CHANGES, FAMILIES
from bench.quality.svg import Mark, dots


def result(part: str, group: str, system: str = "overloop", **other: object) -> Result:
    plain = {"stream": "s", "weeks": 10.0, "refused": False, "pages": 0, "false_pages": 0, "detected": 0, "missed": 0,
             "delays_events": [], "delays_seconds": [], "alarms": 0, "why": None}  # fmt: skip
    return Result(part, group, system=system, **{**plain, **other})  # type: ignore[arg-type]


def found(delay: int, count: int = 10) -> list[Result]:
    return [result("change", "shift-2sd", detected=1, delays_events=[delay], delays_seconds=[1.0])] * count


def test_the_plan_has_every_family_at_both_rates_and_every_change() -> None:
    size = Size()
    for part in ("null", "fast"):
        assert {job.group for job in jobs(part, size, None)} == set(FAMILIES)
    assert {job.group for job in jobs("change", size, None)} == set(CHANGES)
    weeks = dict.fromkeys(FAMILIES, 0.0)
    for job in jobs("null", size, None):
        weeks[job.group] += job.stream.weeks  # type: ignore[attr-defined]
    assert min(weeks.values()) >= 500
    assert size.changes >= 20 * 10


def test_without_the_data_there_are_no_real_series() -> None:
    assert jobs("real", Size(), None) == []


def test_rows_are_kept_and_read_back(tmp_path: Path) -> None:
    rows = [result("null", "iid"), *found(3)]
    save(rows, tmp_path / "kept" / "x.ndjson")
    assert load(tmp_path / "kept" / "x.ndjson") == rows


def test_refused_streams_have_no_exposure_and_are_counted() -> None:
    table = Table([result("null", "iid", false_pages=2), result("null", "iid", refused=True, watched=False)], "null")
    rate = table.false("iid", "overloop")
    assert rate is not None
    assert (rate.count, rate.exposure) == (2, 10.0)
    assert table.refused("iid", "overloop") == (1, 2)
    partly = Table([result("null", "iid", refused=True, false_pages=3)], "null").false("iid", "overloop")
    assert partly is not None
    assert (partly.count, partly.exposure) == (3, 10.0)


def test_the_most_lenient_threshold_that_keeps_the_rate_is_chosen() -> None:
    values = GRIDS["three-sigma"][1]
    rows = [
        result("calibration", family, f"{name}|{i}", false_pages=20 - 5 * i)
        for family in families()
        for name, (_, grid) in GRIDS.items()
        for i in range(len(grid))
    ]
    picked = chosen(rows, dict.fromkeys(families(), 1.0))
    assert picked["iid", "three-sigma"] == (values[2], 1.0)


def test_an_evaluation_goes_on_where_it_was_interrupted_and_writes_its_page(tmp_path: Path) -> None:
    kept = [result("null", "iid", false_pages=7), result("null", "ar-0.9", false_pages=30), *found(5)]
    for part in PARTS:
        save([r for r in kept if r.part == part], tmp_path / "rows" / f"{part}.ndjson")

    def never(part: str, results: object, count: int) -> list[object]:
        raise AssertionError(part)

    results = run_parts(tmp_path / "rows", Size(), None, 1, never)  # type: ignore[arg-type]
    assert sorted(map(repr, results)) == sorted(map(repr, kept))
    write(results, tmp_path / "page.md", "the command")
    text = (tmp_path / "page.md").read_text()
    assert "0.70 [0.28, 1.44]" in text
    assert "| worst family at 2,016 a week, pages a week | at most 1.0 | 3.00 (ar-0.9) | **no** |" in text
    assert "| shift-2sd: values until found, overloop | at most 7.5 | 5.00, median 5 | yes |" in text
    assert "Not run: streams without a change, 200,000 values a week;" in text
    for picture in (tmp_path / "page").glob("*.svg"):
        ET.fromstring(picture.read_text())


def test_a_part_that_was_interrupted_goes_on_where_it_was(tmp_path: Path) -> None:
    everything = jobs("fault", Size(), None)
    ran: list[str] = []

    def watch(part: str, results: Any, count: int) -> Any:
        left = everything[len(ran) :]
        assert count == len(left)
        for job in left:
            if len(ran) == 3:
                raise KeyboardInterrupt
            ran.append(job.group)
            yield job, [Row(job.stream.name, "x", 1.0, False, 0, 0, 0, 0, [], [])]

    with pytest.raises(KeyboardInterrupt):
        run_parts(tmp_path, Size(), None, 1, watch, ["fault"])
    count = len(ran)

    def rest(part: str, results: Any, left: int) -> Any:
        assert left == len(everything) - count
        for job in everything[count:]:
            yield job, [Row(job.stream.name, "x", 1.0, False, 0, 0, 0, 0, [], [])]

    got = run_parts(tmp_path, Size(), None, 1, rest, ["fault"])
    assert [r.group for r in got] == [job.group for job in everything]
    assert [path.name for path in tmp_path.iterdir()] == ["fault.ndjson"]


def test_equal_rates_need_the_nulls(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="null"):
        run_parts(tmp_path, Size(), None, 1, lambda part, results, count: [], ["equal"])


def test_rows_of_one_system_are_made_anew_and_the_others_kept(tmp_path: Path) -> None:
    old = [result("fault", "constant", system=name, stream="old") for name in ("overloop", "river-adwin")]
    save(old, tmp_path / "fault.ndjson")

    def watch(part: str, results: Any, count: int) -> Any:
        return [
            (job, [Row(job.stream.name, s.name, 1.0, False, 0, 0, 0, 0, [], [])]) for job in asked for s in job.systems
        ]

    asked = only(jobs("fault", Size(), None), "overloop")
    assert {s.name for job in asked for s in job.systems} == {"overloop"}
    got = run_parts(tmp_path, Size(), None, 1, watch, ["fault"], "overloop")
    assert {(r.stream == "old", r.system) for r in got} == {(False, "overloop"), (True, "river-adwin")}
    assert load(tmp_path / "fault.ndjson") == got


def test_a_picture_is_well_formed_and_has_a_mark_for_each_figure() -> None:
    lines, marks = ["a<b", "c"], [Mark(0.5, 0.2, 0.9), None]
    root = ET.fromstring(dots("Title & more", "pages", lines, [("x", marks), ("y", marks)], (0.01, 10), 1.0))
    circles = [node for node in root.iter() if node.tag.endswith("circle")]
    assert len(circles) == 2 + 2  # two marks and the legend


def good() -> list[Result]:
    return [result("null", family, false_pages=4) for family in short.FAMILIES for _ in range(5)] + found(5)


def test_the_short_form_holds_when_the_budget_does() -> None:
    assert short.broken(good()) == []


@pytest.mark.parametrize(
    ("bad", "word"),
    [
        ([result("null", "iid", false_pages=40)] * 5, "iid:"),
        ([result("null", family, false_pages=11) for family in short.FAMILIES for _ in range(20)], "All families"),
        ([result("null", "iid", refused=True)] * 5, "refused"),
        ([result("change", "shift-2sd", missed=1, delays_events=[2016], delays_seconds=[1.0])] * 3, "two standard"),
    ],
)
def test_the_short_form_fails_when_something_does_not_hold(bad: list[Result], word: str) -> None:
    assert any(word in sentence for sentence in short.broken([*good(), *bad]))


def test_the_short_form_fails_a_detector_that_never_speaks() -> None:
    silent = [result("null", family) for family in short.FAMILIES]
    missed = [result("change", "shift-2sd", missed=1, delays_events=[2016], delays_seconds=[604800.0])] * 10
    assert len(short.broken([*silent, *missed])) == 1
