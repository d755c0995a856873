from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from monitor.cli import events
from monitor.cli.context import Shared
from monitor.spool import Post, Spool, id_hash

Run = Callable[..., Any]


@pytest.fixture
def run(make_site: Any, serve: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Type `overloop events …` to a daemon that runs; `run.site` is that daemon's intake."""
    site = make_site()
    url = serve(site)
    monkeypatch.setenv("OVERLOOP_TOKEN", "t")

    def type_(*words: object, url: str = url, input: str | None = None) -> Any:
        found = CliRunner().invoke(events.app, [str(word) for word in words], obj=Shared(tmp_path, url), input=input)
        if found.exception is not None and not isinstance(found.exception, SystemExit):
            raise found.exception
        return found

    type_.site = site  # type: ignore[attr-defined]
    return type_


def write(path: Path, *lines: Any) -> Path:
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
    return path


def line(id_: object, **more: Any) -> dict[str, Any]:
    return {"id": id_, "model": "m", "output": {"x": 1}, **more}


def test_a_file_is_sent_as_history_and_typed_again_nothing_is_sent_twice(run: Run, tmp_path: Path) -> None:
    file = write(tmp_path / "e.ndjson", *(line(n) for n in range(2_500)))
    done = run("send", file)
    assert done.exit_code == 0, done.output
    assert done.stdout == "Sent 2,500 events from 1 file: 2,500 accepted, 0 sent before, 0 rejected.\n"
    assert {(r.flags.event_time, r.flags.live) for r in run.site.spool.read(0, 0, 10**6)} == {(True, False)}
    assert run("send", file).stdout == "Sent 2,500 events from 1 file: 0 accepted, 2,500 sent before, 0 rejected.\n"
    assert run("send", "--live", write(tmp_path / "live.ndjson", line("l"))).exit_code == 0
    assert run.site.spool.newest(0, 1)[0].flags.live


def test_rejected_lines_are_shown_by_their_number_in_the_file(run: Run, tmp_path: Path) -> None:
    file = write(tmp_path / "e.ndjson", *(line(n) for n in range(1_200)), "", "broken", {"id": 1})
    done = run("send", file)
    assert done.exit_code == 1
    assert "1,200 accepted, 0 sent before, 2 rejected." in done.stdout
    assert "e.ndjson line 1202: The line is not valid JSON" in done.stdout
    assert "e.ndjson line 1203: The key model is missing." in done.stdout


def test_csv_columns_find_their_places_by_the_words_of_other_tools(run: Run, tmp_path: Path) -> None:
    file = write(
        tmp_path / "t.csv",
        "prediction_id;timestamp;amount;zip;vip;y_pred;y_pred_proba;target",
        "a;2026-01-01T00:00:00Z;12.5;01234;true;ok;0.75;fraud",
        'b;2026-01-01T00:01:00Z;;99999;false;"o;k";nan;',
    )
    done = run("send", "--model", "fraud", file)
    assert done.exit_code == 0, done.output
    assert "y_pred is output.label" in done.stderr and "3 columns are inputs" in done.stderr
    first, second = run.site.kept()
    assert first == {
        "id": "a",
        "model": "fraud",
        "at": "2026-01-01T00:00:00Z",
        "inputs": {"amount": 12.5, "zip": "01234", "vip": True},
        "output": {"label": "ok", "score": 0.75},
        "truth": {"label": "fraud"},
    }
    assert second["output"] == {"label": "o;k", "score": "nan"} and "amount" not in second["inputs"]


def test_columns_can_be_placed_by_hand_and_times_given_a_zone(run: Run, tmp_path: Path) -> None:
    file = write(tmp_path / "t.csv", "when,label,n", "2026-07-01 12:00:00,yes,7")
    words = ["--model", "m", "--map", "when=at", "--map", "label=output.label", "--map", "n=context", file]
    refused = run("send", *words)
    assert refused.exit_code == 1 and "has no zone: add Z for UTC" in refused.stdout
    assert run("send", "--zone", "Europe/Berlin", *words).exit_code == 0
    (event,) = run.site.kept()
    assert event["at"] == "2026-07-01T12:00:00+02:00"
    assert event["output"] == {"label": "yes"} and event["context"] == {"n": 7}
    assert event["id"].endswith("-1")  # made from the file, the same each time


def test_truths_go_to_their_own_route(run: Run, tmp_path: Path) -> None:
    file = write(tmp_path / "t.csv", "id,label,amount", "a,1,2.5")
    assert run("send", "--truth", "--model", "m", file).stdout.startswith("Sent 1 truth from 1 file: 1 accepted")
    assert run.site.kept() == [{"id": "a", "model": "m", "truth": {"label": 1, "amount": 2.5}}]
    assert run.site.spool.totals(0).truth_accepted == 1


def test_compressed_files_arrays_and_standard_input_are_read(run: Run, tmp_path: Path) -> None:
    (tmp_path / "e.ndjson.gz").write_bytes(gzip.compress(json.dumps(line("gz")).encode()))
    array = write(tmp_path / "e.json", json.dumps([line("a1"), line("a2")], indent=1))
    assert run("send", tmp_path / "e.ndjson.gz", array).stdout.startswith("Sent 3 events from 2 files: 3 accepted")
    done = run("send", "-", input=json.dumps(line("stdin")) + "\n")
    assert done.exit_code == 0 and done.stdout.startswith("Sent 1 event from 1 file")
    assert [event["id"] for event in run.site.kept()] == ["gz", "a1", "a2", "stdin"]


def test_a_line_without_end_is_refused_in_bounded_memory(run: Run, tmp_path: Path) -> None:
    file = write(tmp_path / "e.ndjson", line("a"), "x" * 5_000_000, line("b"))
    done = run("send", file)
    assert "2 accepted, 0 sent before, 1 rejected." in done.stdout and "line 2: The line has" in done.stdout


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["nothere.ndjson"], 1, "nothere.ndjson cannot be read: No such file or directory."),
        (["nomodel.csv"], 1, "No column names the model: say which it is with --model."),
        (["--model", "m", "--map", "x=y", "nomodel.csv"], 1, "The table has no column 'x': its columns are a, b."),
        (["--model", "m", "--map", "a=y", "nomodel.csv"], 1, "A column cannot be 'y': use one of id, model"),
        (["--model", "m", "--map", "a=id", "--map", "b=id", "nomodel.csv"], 1, "would both be id: leave one out"),
        (["--model", "m", "--truth", "nomodel.csv"], 1, "No column names the events that these truths belong to"),
        (["--model", "m", "--zone", "Mars", "nomodel.csv"], 1, "There is no time zone 'Mars'"),
        (["--map", "nonsense", "nomodel.csv"], 2, "is not of the form COLUMN=PLACE"),
        (["--format", "xml", "nomodel.csv"], 2, "There is no format 'xml': use one of ndjson, csv, parquet."),
        (["--model", "m", "ragged.csv"], 1, "Line 3 has 3 cells and the header has 2"),
        (["--model", "m", "twice.csv"], 1, "The header names the column 'a' twice"),
        (["--model", "m", "empty.csv"], 1, "The file has no header"),
        (["--model", "m", "latin.csv"], 1, "The file is not UTF-8"),
        (["--follow", "a", "b"], 2, "--follow takes exactly one file."),
    ],
)
def test_mistakes_are_named(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], code: int, sentence: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "nomodel.csv", "a,b", "1,2")
    write(tmp_path / "ragged.csv", "a,b", "1,2", "1,2,3")
    write(tmp_path / "twice.csv", "a,a", "1,2")
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "latin.csv").write_bytes(b"a,b\n1,\xe9\n")
    done = run("send", *words)
    assert done.exit_code == code and sentence in done.stderr, done.output


def test_a_daemon_that_refuses_is_quoted(run: Run, make_site: Any, serve: Any, tmp_path: Path) -> None:
    from monitor.web.problems import Problem

    strict = serve(make_site(folder="other", authorise=lambda _: Problem(403, "You may only look.")))
    done = run("send", write(tmp_path / "e.ndjson", line(1)), url=strict)
    assert done.exit_code == 4 and "The daemon refused: You may only look." in done.stderr


def test_a_daemon_that_is_away_ends_the_command_with_how_to_go_on(run: Run, tmp_path: Path) -> None:
    from monitor.cli.events_files import Reading
    from monitor.cli.events_send import Post as Sender
    from monitor.cli.events_send import Stopped
    from monitor.cli.http import Daemon

    post = Sender(Daemon("http://127.0.0.1:9", tmp_path, "t"), Reading(), live=False, patience=0.3)
    with pytest.raises(Stopped, match=r"Nothing was taken for 0 s: .*Run the same command again when the daemon"):
        post.send([b"{}"], "p", 1)


def test_a_followed_file_goes_on_where_it_stopped(run: Run, tmp_path: Path) -> None:
    file = write(tmp_path / "app.log", line(1), line(2), "broken")
    done = run("send", "--follow", "--until-end", file)
    assert done.exit_code == 1 and "2 accepted, 0 sent before, 1 rejected" in done.stdout
    with file.open("a") as log:
        log.write(json.dumps(line(3)) + "\n")
    done = run("send", "--follow", "--until-end", file)
    assert done.exit_code == 0 and done.stdout == "Sent 1 event: 1 accepted, 0 sent before, 0 rejected.\n"
    assert run("send", "--follow", "--until-end", file).stdout.startswith("Sent 0 events")
    assert (tmp_path / ".app.log.overloop").exists()


def test_parquet_without_pyarrow_names_the_extra(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)  # as if it were not installed
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    done = run("send", "--model", "m", write(tmp_path / "t.parquet", "x"))
    assert done.exit_code == 1 and "run `pip install 'overloop[parquet]'`." in done.stderr


def test_parquet_files_are_read(run: Run, tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")

    def naive(day: int) -> datetime:
        return datetime(2026, 1, day)  # noqa: DTZ001 - as such files have them

    table = pyarrow.table(
        {
            "id": ["a", "b"],
            "timestamp": [naive(1), naive(2)],
            "amount": [1.5, None],
            "embedding": [[0.5, 1.0], [0.0, 2.0]],
            "prediction": ["x", "y"],
        }
    )
    parquet.write_table(table, tmp_path / "t.parquet")
    assert run("send", "--model", "m", tmp_path / "t.parquet").exit_code == 0
    first, second = run.site.kept()
    assert first["at"] == "2026-01-01T00:00:00+00:00" and first["inputs"] == {"amount": 1.5, "embedding": [0.5, 1.0]}
    assert second["inputs"] == {"embedding": [0.0, 2.0]} and second["output"] == {"label": "y"}


def test_tail_shows_the_last_events_of_the_home(run: Run, tmp_path: Path) -> None:
    assert run("tail").exit_code == 0 and run("tail").stdout == ""
    for start in range(0, 100, 10):
        lines = [json.dumps(line(n, model="m" if n % 10 else "rare")).encode() for n in range(start, start + 10)]
        run.site.spool.append(0, [Post("events", lines, [id_hash("m", str(start + n)) for n in range(10)])], 1.0)
    shown = [json.loads(text)["id"] for text in run("tail", "-n", "3").stdout.splitlines()]
    assert shown == [97, 98, 99]
    shown = [json.loads(text)["id"] for text in run("tail", "-n", "4", "--model", "rare").stdout.splitlines()]
    assert shown == [60, 70, 80, 90]
    assert len(run("tail", "-n", "50", "--model", "rare").stdout.splitlines()) == 10


def test_tail_without_a_spool_says_what_to_set(tmp_path: Path) -> None:
    done = CliRunner().invoke(events.app, ["tail"], obj=Shared(tmp_path / "none", None))
    assert done.exit_code == 3 and "set OVERLOOP_HOME to the daemon's home folder" in done.stderr


def test_setting_aside_is_refused_while_a_daemon_writes_and_for_what_is_no_segment(run: Run, tmp_path: Path) -> None:
    segment = next((tmp_path / "spool" / "0").glob("*.db"))
    assert "Another process writes to" in run("set-aside", segment).stderr
    run.site.intake.stop()
    run.site.spool.close()
    done = run("set-aside", tmp_path / "spool" / "0" / "x.db")
    assert done.exit_code == 1 and "is no segment of a spool" in done.stderr
    with Spool.open(tmp_path / "spool") as spool:
        spool.append(0, [Post("events", [b"{}"], [b"12345678"])], 1.0)
    data = bytearray(segment.read_bytes())
    data[100:300] = b"\xff" * 200
    segment.write_bytes(data)
    done = run("set-aside", segment)
    assert done.exit_code == 0 and "0 records with 0 lines were kept" in done.stdout and "Lost: what had" in done.stdout
