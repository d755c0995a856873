"""The plan, the page and the short form, on a scale that a test can bear."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from bench.quality import short
from bench.quality.calibrate import FAMILIES as SWEPT
from bench.quality.calibrate import NUMBERS, chosen, equal, kinds, realised
from bench.quality.evaluate import Wish, run_parts
from bench.quality.jobs import Job, Size, only
from bench.quality.page import write
from bench.quality.plan import PARTS, jobs
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


def swept() -> list[Result]:
    """Calibration in which the first setting pages 20 times in ten weeks, each later one five times less."""
    return [
        result("calibration", "iid", f"{name}|{i}", false_pages=max(20 - 5 * i, 0))
        for name, grid in NUMBERS.items()
        for i in range(len(grid.values))
    ]


def test_the_most_lenient_threshold_that_keeps_the_rate_is_chosen() -> None:
    (picked,) = [c for c in chosen(swept(), {"iid": 1.0}) if c.system == "three-sigma"]
    assert (picked.label, picked.rate, picked.kept) == ("three-sigma|2", 1.0, True)
    assert picked.grid.parameter == "sigma"


def test_where_no_threshold_keeps_the_rate_the_strictest_is_shown_and_marked() -> None:
    rows = [result("calibration", "iid", f"three-sigma|{i}", false_pages=90 - i) for i in range(11)]
    (picked,) = chosen(rows, {"iid": 1.0})
    assert (picked.place, picked.kept) == (10, False)


def test_thresholds_are_swept_on_streams_that_are_not_reported() -> None:
    sweep = list(equal(Size()))
    swept_on = {job.stream.name for job in sweep if job.part == "calibration"}
    assert swept_on
    assert not swept_on & {job.stream.name for part in ("null", "change") for job in jobs(part, Size(), None)}
    assert {job.group for job in sweep if job.part == "equal"} == {kind for family in SWEPT for kind in kinds(family)}


def test_the_rate_to_keep_is_the_products_or_what_exposure_can_tell_apart() -> None:
    rates = realised([result("null", "iid", false_pages=3), result("null", "season-ar-0.7")])
    assert rates == {"iid": 0.3, "season-ar-0.7": 0.05, "bernoulli-0.05": 0.05}


def test_an_evaluation_goes_on_where_it_was_interrupted_and_writes_its_page(tmp_path: Path) -> None:
    kept = [result("null", "iid", false_pages=7), result("null", "ar-0.9", false_pages=30), *found(5), *swept(),
            result("equal", "shift-2sd", "three-sigma|3", detected=1, delays_events=[77], delays_seconds=[1.0]),
            result("equal", "shift-2sd", "evidently|2", detected=1, delays_events=[288], delays_seconds=[1.0]),
            result("equal-null", "iid", "evidently|2", false_pages=9),
            result("ablation", "iid", "overloop: raw", false_pages=8),
            result("ablation", "iid", "overloop: + arming", refused=True, watched=False)]  # fmt: skip
    for part in PARTS:
        save([r for r in kept if r.part == part], tmp_path / "rows" / f"{part}.ndjson")
    save([r for r in kept if r.part in ("calibration", "equal-null")], tmp_path / "rows" / "equal-apart.ndjson")

    def never(part: str, results: Any, todo: Any) -> Any:
        raise AssertionError(part)

    results = run_parts(tmp_path / "rows", Wish(Size(), None, 1, ()), never)
    assert sorted(map(repr, results)) == sorted(map(repr, kept))
    write(results, tmp_path / "page.md", "the command")
    text = (tmp_path / "page.md").read_text()
    assert "0.70 [0.28, 1.44]" in text
    assert "| worst family at 2,016 a week, pages a week | at most 1.0 | 3.00 (ar-0.9) | **no** |" in text
    assert "| shift-2sd: values until found, overloop | at most 7.5 | 5.00, median 5 | yes |" in text
    assert "| iid | three-sigma | sigma | 3.75 | 0.70 | 0.50 | – |" in text
    assert "| shift-2sd | 5.0 | – | – | – | 77.0 | – |" in text
    assert "| iid | 10 | – | 0.90 [0.41, 1.71] | – | – | – |" in text
    assert "| iid | 0.80 | – | – | – | – | – | – | 1 of 1 | 0.70 |" in text
    assert "by one detector" in text
    assert "Not run: streams without a change, 200,000 values a week;" in text
    assert {p.stem for p in (tmp_path / "page").glob("*.svg")} == {"nulls", "delays", "equal", "ablation"}
    for picture in (tmp_path / "page").glob("*.svg"):
        ET.fromstring(picture.read_text())


def rows_of(todo: Any) -> Any:
    """What a run of these jobs would yield."""
    for job in todo:
        yield job, [Row(job.stream.name, system.name, 1.0, False, 0, 0, 0, 0, [], []) for system in job.systems]


def names(todo: Any) -> list[str]:
    return [f"{job.stream.name} {system.name}" for job in todo for system in job.systems]


def test_a_part_that_was_interrupted_goes_on_where_it_was(tmp_path: Path) -> None:
    everything = jobs("fault", Size(), None)
    asked: list[list[Job]] = []

    def interrupted(part: str, results: Any, todo: Any) -> Any:
        yield from rows_of(todo[:3])
        raise KeyboardInterrupt

    def rest(part: str, results: Any, todo: Any) -> Any:
        asked.append(todo)
        return rows_of(todo)

    wish = Wish(Size(), None, 1, ["fault"])
    with pytest.raises(KeyboardInterrupt):
        run_parts(tmp_path, wish, interrupted)
    got = run_parts(tmp_path, wish, rest)
    assert names(asked[0]) == names(everything)[len(names(everything[:3])) :]
    assert [f"{r.stream} {r.system}" for r in got] == names(everything)
    assert [path.name for path in tmp_path.iterdir()] == ["fault.ndjson"]
    run_parts(tmp_path, wish, rest)
    assert asked[1] == []


def test_competitors_run_without_the_product_whose_rows_are_made_beside_them_and_anew(tmp_path: Path) -> None:
    asked: list[list[str]] = []

    def watch(part: str, results: Any, todo: Any) -> Any:
        asked.append(names(todo))
        return rows_of(todo)

    everything = jobs("fault", Size(), None)
    others, own = only(everything, "overloop", others=True), only(everything, "overloop")
    run_parts(tmp_path, Wish(Size(), None, 1, ["fault"], without="overloop"), watch)
    for again in (None, "overloop"):
        got = run_parts(tmp_path, Wish(Size(), None, 1, ["fault"], again=again, just="overloop"), watch)
        assert sorted(f"{r.stream} {r.system}" for r in got) == sorted(names(everything))
    assert asked == [names(others), names(own), names(own)]
    assert len({r.extra["detector"] for r in got if r.system == "overloop"}) == 1
    assert load(tmp_path / "fault.ndjson") == got


def test_an_unknown_part_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no part nul; there are real, null"):
        run_parts(tmp_path, Wish(Size(), None, 1, ["nul"]), lambda *_: [])


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
