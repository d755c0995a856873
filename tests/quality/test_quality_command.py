"""`python -m bench.quality --streams`: what it writes, and what it says of folders that are no streams."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from bench.quality.__main__ import main
from bench.quality.stream import Truth, moment, seconds

START = 1_704_067_200
WEEK = 604_800


def make(root: Path, name: str, truth: Any, weeks: float = 4.0, step: int = 3600, **event: Any) -> Path:
    """A stream with an event every `step` seconds; values take turns, so nothing ever changes."""
    folder = root / name
    folder.mkdir(parents=True)
    rows = [
        {"id": i, "model": "m", "at": START + i * step, "inputs": {"x": (i * 7919) % 97 / 97}, "output": {}, **event}
        for i in range(int(weeks * WEEK / step))
    ]
    (folder / "events.ndjson").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "truth.json").write_text(truth if isinstance(truth, str) else json.dumps(truth))
    return folder


def run(root: Path, *words: str) -> tuple[int, list[dict[str, Any]]]:
    out = root.parent / "rows.json"
    code = main(["--streams", str(root), "--json", str(out), "--jobs", "1", *words])
    return code, json.loads(out.read_text())


def row(stream: str, system: str, **other: Any) -> dict[str, Any]:
    found = {"weeks": pytest.approx(2.0, abs=0.01), "refused": False, "pages": 0, "false_pages": 0, "detected": 0,
             "missed": 0, "delays_events": [], "delays_seconds": []}  # fmt: skip
    return {"stream": stream, "system": system, **found, **other}


NULL = {"reference_until": START + 2 * WEEK, "null": True}
CHANGED = {"reference_until": "2024-01-15T00:00:00Z", "changes": [START + 3 * WEEK, "2024-01-26T00:00:00Z"],
           "horizon": "1d", "season": "1d"}  # fmt: skip


def test_the_silent_and_the_periodic_detector_give_exactly_their_rows(tmp_path: Path) -> None:
    root = tmp_path / "streams"
    make(root, "quiet", NULL, weeks=4.01)
    make(root, "moved", CHANGED)
    code, rows = run(root, "--systems", "always-silent,periodic")
    assert code == 0
    assert rows == [
        row("moved", "always-silent", weeks=1.0, missed=2, delays_events=[24, 24], delays_seconds=[86400.0, 86400.0]),
        row("moved", "periodic", weeks=1.0, pages=1, detected=1, missed=1, delays_events=[1, 24],
            delays_seconds=[0.0, 86400.0]),
        row("quiet", "always-silent"),
        row("quiet", "periodic", pages=2, false_pages=2),
    ]  # fmt: skip


def test_the_product_and_rivers_detectors_run_on_a_folder(tmp_path: Path) -> None:
    make(tmp_path / "streams", "one", NULL, step=1200)
    code, rows = run(tmp_path / "streams", "--systems", "overloop,river-adwin,river-pagehinkley,river-ddm")
    assert code == 0
    assert [(r["system"], r["refused"]) for r in rows] == [
        ("overloop", False), ("river-adwin", False), ("river-pagehinkley", False), ("river-ddm", True),
    ]  # fmt: skip


def test_bad_streams_are_named_and_left_out_and_the_others_are_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "streams"
    make(root, "good", NULL)
    make(root, "no-json", "{")
    make(root, "no-until", {"null": True})
    make(root, "neither", {"reference_until": START})
    make(root, "early", {"reference_until": START + WEEK, "changes": [START]})
    make(root, "over", {"reference_until": START + 9 * WEEK, "null": True})
    make(root, "no-times", NULL, at=None)
    make(root, "no-model", NULL, model=3)
    make(root, "empty", NULL, weeks=0.0)
    make(root, "beyond", {"reference_until": START + WEEK, "changes": [START + 9 * WEEK]})
    make(root, "twice", {"reference_until": START, "changes": [START + WEEK] * 2})
    (make(root, "no-events", NULL) / "events.ndjson").unlink()
    (make(root, "no-truth", NULL) / "truth.json").unlink()
    (root / "a file").write_text("is no stream and no business of ours")
    code, rows = run(root, "--systems", "always-silent")
    said = dict(line.split(": ", 1) for line in capsys.readouterr().err.splitlines() if ": " in line)
    assert code == 1
    assert [r["stream"] for r in rows] == ["good"]
    assert set(said) >= {"no-json", "no-until", "neither", "early", "over", "no-times", "no-model", "empty",
                         "no-events", "no-truth"}  # fmt: skip
    assert "no JSON" in said["no-json"]
    assert "reference_until" in said["no-until"]
    assert "has no time" in said["no-times"]
    assert "No line" in said["no-model"]
    assert "line 1:" in said["no-times"]
    assert "last event lies before reference_until" in said["over"]
    assert "before its last change" in said["beyond"]
    assert "twice" in said["twice"]


def test_lines_that_the_intake_would_refuse_are_left_out_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make(tmp_path / "streams", "odd", NULL, step=300)
    lines = (folder / "events.ndjson").read_text().splitlines()
    for at in (4700, 4096, 3):  # a list that begins a piece that is read at once is one line like others
        lines.insert(at, "[1]")
    lines[10:10] = ["", '{"id": 1}', lines[11].replace('"x"', '"x": NaN, "y"')]
    (folder / "events.ndjson").write_text("\n".join(lines) + "\n")
    code, rows = run(tmp_path / "streams", "--systems", "always-silent")
    assert (code, len(rows)) == (0, 1)
    assert (
        "odd/events.ndjson, line 4: It is a list, not an event. It and 3 more are left out." in capsys.readouterr().err
    )


def test_events_far_out_of_order_are_named_by_their_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = make(tmp_path / "streams", "mixed", NULL)
    lines = (folder / "events.ndjson").read_text().splitlines()
    (folder / "events.ndjson").write_text("\n".join(lines[300:] + lines[:300]) + "\n")
    assert run(tmp_path / "streams", "--systems", "always-silent") == (1, [])
    said = capsys.readouterr().err
    assert "mixed: events.ndjson, about line 373: The events come more than a day after later ones" in said


def test_late_events_and_single_times_far_off_are_no_disorder(tmp_path: Path) -> None:
    folder = make(tmp_path / "streams", "late", NULL)
    lines = (folder / "events.ndjson").read_text().splitlines()
    for i in range(0, 600, 12):
        lines[i : i + 6] = lines[i : i + 6][::-1]
    for i, at in ((40, 0), (400, START + 99 * WEEK)):
        lines[i] = json.dumps({**json.loads(lines[i]), "at": at})
    (folder / "events.ndjson").write_text("\n".join(lines) + "\n")
    code, rows = run(tmp_path / "streams", "--systems", "always-silent")
    assert (code, [r["weeks"] for r in rows]) == (0, [pytest.approx(2.0, abs=0.01)])


def test_streams_of_several_models_have_delays_in_events_of_the_stream(tmp_path: Path) -> None:
    root = tmp_path / "streams"
    folder = make(root, "two", {"reference_until": START + 2 * WEEK, "changes": [START + 3 * WEEK]}, step=600)
    rows = [json.loads(line) for line in (folder / "events.ndjson").read_text().splitlines()]
    for i, row in enumerate(rows):
        row["model"] = "ab"[i % 2]
        row["inputs"]["x"] += 9.0 * (i % 2 == 0 and row["at"] >= START + 3 * WEEK)
    (folder / "events.ndjson").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (found,) = run(root, "--systems", "three-sigma")[1]
    assert (found["detected"], found["delays_events"], found["delays_seconds"]) == (1, [1], [0.0])
    (found,) = run(root, "--systems", "overloop")[1]
    assert found["detected"] == 1
    assert 1 <= found["delays_events"][0] <= 40


def test_odd_inputs_are_read_as_the_daemon_reads_them(tmp_path: Path) -> None:
    root = tmp_path / "streams"
    folder = make(root, "odd", {**NULL, "family": "odd", "season": None, "changes": None}, step=1200)
    rows = [json.loads(line) for line in (folder / "events.ndjson").read_text().splitlines()]
    for i, row in enumerate(rows):
        moment = datetime.fromtimestamp(row["at"], timezone(timedelta(hours=i % 3 - 1)))
        row["at"] = moment.isoformat()
        row["inputs"] = {"deep": {"x": row["inputs"]["x"]}, "y": [None, "text", 1.0, True][i % 4], "z": [1, 2]}
        if i % 5 == 0:
            del row["inputs"]["deep"]
    (folder / "events.ndjson").write_text("".join(json.dumps(row) + "\n" for row in rows))
    code, found = run(root, "--systems", "overloop,river-adwin,three-sigma")
    assert code == 0
    assert [(r["refused"], r["pages"]) for r in found] == [(False, 0)] * 3


def test_a_folder_without_streams_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path / "nowhere")[0] == 1
    assert "no such folder" in capsys.readouterr().err


def test_an_unknown_system_is_refused_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--streams", str(tmp_path), "--systems", "river-adwim"])
    assert "river-adwim" in capsys.readouterr().err


def test_several_processes_give_the_same_rows(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        make(tmp_path / "streams", name, NULL)
    once = run(tmp_path / "streams", "--systems", "three-sigma,periodic")[1]
    assert run(tmp_path / "streams", "--systems", "three-sigma,periodic", "--jobs", "2")[1] == once
    assert len(once) == 6


@pytest.mark.parametrize(
    ("text", "expected"), [("1d", 86400), ("36h", 129600), ("90m", 5400), ("2w", 1209600), (60, 60)]
)
def test_durations(text: Any, expected: float) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "d", "1", "1y", "-1d", "infd", "nand", 0, -3, True, None, [1]])
def test_what_is_no_duration(text: Any) -> None:
    with pytest.raises(ValueError, match="duration"):
        seconds(text)


def test_times_as_text_and_as_numbers() -> None:
    assert moment("2024-01-01T00:00:00Z") == moment(START) == START
    for wrong in ("yesterday", "2024-01-01T00:00:00", None, True, float("nan")):
        with pytest.raises(ValueError, match=r"time|zone"):
            moment(wrong)


def test_truth_says_one_thing() -> None:
    for wrong in (
        [],
        {"reference_until": 0, "null": True, "changes": [1]},
        {**NULL, "horizn": "1d"},
        {**NULL, "null": 1},
        {**NULL, "reference_untill": 3},
    ):
        with pytest.raises(ValueError, match=r".\.$"):
            Truth.from_json(wrong)
    assert Truth.from_json(CHANGED).changes == (START + 3 * WEEK, START + 25 * 86400)
