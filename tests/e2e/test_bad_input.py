"""Bad input, item by item: a clear sentence, the right status, nothing accepted is lost, and the daemon stays up.

`ITEMS` maps the list that was promised to the tests of this file and of `test_bad_surroundings.py`.
"""

from __future__ import annotations

import ast
import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zstandard
from e2e_story import events
from live_daemon import ROOT, LiveDaemon, rss

PROMISED = (
    "truncated gzip, a 1 GB bomb in gzip and in zstd, invalid UTF-8, 100,000-deep nesting, a NUL character, a 10 MB "
    "line, duplicate ids in and across batches, timestamps in the years 1 and 9999 and without a zone, numbers as "
    "text, NaN, 1e400, 2^70, 10,000 columns, a column that changes type, a million distinct categories, an unknown "
    "model, a clock that jumps back a day, an unreadable home folder, a full disk, a locked database, a port in use, "
    "a rule file with a tab, `share: > 5%` unquoted, a receiver URL with a typo"
)
ITEMS = {
    "truncated gzip": ["test_truncated_gzip_is_refused_as_a_whole"],
    "a 1 GB bomb in gzip and in zstd": ["test_a_bomb_of_a_gigabyte_is_refused_within_bounded_memory"],
    "invalid UTF-8": ["test_invalid_utf8_costs_its_own_line_only"],
    "100,000-deep nesting": ["test_nesting_a_hundred_thousand_deep_costs_its_own_line_only"],
    "a NUL character": ["test_a_nul_character_costs_its_own_line_only"],
    "a 10 MB line": ["test_a_line_of_ten_megabytes_costs_itself_only"],
    "duplicate ids in and across batches": ["test_duplicate_ids_are_counted_and_observed_once"],
    "timestamps in the years 1 and 9999 and without a zone": [
        "test_times_at_the_ends_of_the_calendar_and_without_a_zone"
    ],
    "numbers as text": ["test_numbers_that_are_no_numbers_are_kept_and_hurt_nobody"],
    "NaN": ["test_numbers_that_are_no_numbers_are_kept_and_hurt_nobody"],
    "1e400": ["test_numbers_that_are_no_numbers_are_kept_and_hurt_nobody"],
    "2^70": ["test_numbers_that_are_no_numbers_are_kept_and_hurt_nobody"],
    "10,000 columns": [
        "test_an_event_of_ten_thousand_columns_is_refused_with_the_limit",
        "test_ten_thousand_columns_over_many_events_are_bounded",
    ],
    "a column that changes type": ["test_a_column_that_changes_type_opens_an_incident"],
    "a million distinct categories": ["test_a_million_distinct_categories_take_bounded_memory"],
    "an unknown model": ["test_an_unknown_model_is_taken_in_and_asking_for_one_says_so"],
    "a clock that jumps back a day": [
        "test_daemon_time_does_not_follow_a_clock_that_jumps_back_a_day",
        "test_a_clock_that_jumped_is_told_with_what_to_do",
    ],
    "an unreadable home folder": ["test_a_home_folder_that_cannot_be_read_is_named"],
    "a full disk": ["test_a_nearly_full_disk_refuses_posts_and_lets_people_act", "test_a_disk_without_one_free_byte"],
    "a locked database": ["test_a_locked_ledger_stops_people_with_a_sentence_and_loses_nothing"],
    "a port in use": ["test_a_port_in_use_is_named"],
    "a rule file with a tab": [
        "test_rules_that_cannot_be_read_refuse_the_start",
        "test_a_bad_reload_keeps_the_old_rules",
    ],
    "`share: > 5%` unquoted": [
        "test_rules_that_cannot_be_read_refuse_the_start",
        "test_a_bad_reload_keeps_the_old_rules",
    ],
    "a receiver URL with a typo": ["test_a_receiver_with_a_typo_is_named_without_its_secrets"],
}


def test_every_item_has_a_test_and_every_test_an_item() -> None:
    assert ", ".join(ITEMS) == PROMISED
    here = Path(__file__)
    trees = [ast.parse(path.read_text()) for path in (here, here.with_name("test_bad_surroundings.py"))]
    written = {node.name for tree in trees for node in tree.body if isinstance(node, ast.FunctionDef)}
    tests = {name for name in written if name.startswith("test_")} - {
        "test_every_item_has_a_test_and_every_test_an_item"
    }
    assert tests == {name for names in ITEMS.values() for name in names}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveDaemon]:
    """With the shipped rules, which watch every model and every column, and one pack that asks for too much."""
    home = tmp_path_factory.mktemp("bad") / "home"
    daemon = LiveDaemon(home, [ROOT / "rules", Path(__file__).with_name("pack") / "wide"]).start()
    yield daemon
    assert daemon.stop() == 0, daemon.log()


@pytest.fixture
def daemon(running: LiveDaemon, request: pytest.FixtureRequest) -> Iterator[LiveDaemon]:
    """The daemon, and afterwards: the same processes, all events accounted for, none quarantined, more are taken."""
    family, before = running.family(), running.accounting()
    yield running
    assert running.family() == family and running.ready(), running.log()
    after = running.settled(60.0)
    assert after["quarantined"] == before["quarantined"] == 0
    assert running.send(events("plain", 1, lambda k: {"output": {"x": 1}}, request.node.name))["accepted"] == 1
    assert running.settled()["observed"] == after["observed"] + 1


def line(id_: str, model: str = "bad", **more: Any) -> bytes:
    return json.dumps({"id": id_, "model": model, "output": {"x": 1}, **more}).encode()


def refused_line(daemon: LiveDaemon, bad: bytes, name: str) -> str:
    """Post a bad line between two good ones: the sentence for the bad one, after the good ones were taken."""
    answer = daemon.post("/v1/events", b"\n".join([line(f"{name}-1"), bad, line(f"{name}-2")]))
    assert answer.status == 202 and answer.json["accepted"] == 2, answer.body
    (rejected,) = answer.json["rejected"]
    assert rejected["line"] == 2
    return str(rejected["reason"])


def zstd_bomb() -> bytes:
    packer = zstandard.ZstdCompressor(level=1).compressobj()
    return b"".join(packer.compress(bytes(1 << 20)) for _ in range(1024)) + packer.flush()


BOMBS: dict[str, Callable[[], bytes]] = {
    "gzip": lambda: gzip.compress(bytes(64 << 20), compresslevel=1) * 16,
    "zstd": zstd_bomb,
}


# -- bodies -------------------------------------------------------------------------------------------------------


def test_truncated_gzip_is_refused_as_a_whole(daemon: LiveDaemon) -> None:
    before = daemon.accounting()
    body = gzip.compress(b"\n".join(line(f"cut-{k}") for k in range(2000)))
    answer = daemon.post("/v1/events", body[:-20], Content_Encoding="gzip")
    assert answer.status == 400 and "cut short" in answer.detail and "send it again" in answer.detail
    after = daemon.accounting()
    assert after["received"] == before["received"] and after["refused"] == before["refused"] + 1
    assert daemon.post("/v1/events", body, Content_Encoding="gzip").json["accepted"] == 2000


@pytest.mark.parametrize("coding", sorted(BOMBS))
def test_a_bomb_of_a_gigabyte_is_refused_within_bounded_memory(daemon: LiveDaemon, coding: str) -> None:
    body, front = BOMBS[coding](), daemon.family()["front"]
    Path(f"/proc/{front}/clear_refs").write_text("5")  # start the peak anew
    before = rss(front)
    answer = daemon.post("/v1/events", body, Content_Encoding=coding)
    assert answer.status == 413 and "32 MB" in answer.detail and "inflated" in answer.detail
    assert peak(front) - before < 150 << 20


def peak(pid: int) -> int:
    """The most memory a process ever held, in bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    return 1024 * next(int(row.split()[1]) for row in status.splitlines() if row.startswith("VmHWM"))


# -- lines --------------------------------------------------------------------------------------------------------


def test_invalid_utf8_costs_its_own_line_only(daemon: LiveDaemon) -> None:
    reason = refused_line(daemon, b'{"id": "u", "model": "bad", "output": {"x": "\xff"}}', "utf8")
    assert reason == "The line is not valid UTF-8 at byte 46."


@pytest.mark.parametrize("opening, closing", [(b"[", b"]"), (b'{"a":', b"}")])
def test_nesting_a_hundred_thousand_deep_costs_its_own_line_only(
    daemon: LiveDaemon, opening: bytes, closing: bytes
) -> None:
    deep = b'{"id": "d", "model": "bad", "inputs": {"x": ' + opening * 100_000 + b"1" + closing * 100_000 + b"}}"
    reason = refused_line(daemon, deep, f"deep{opening.decode()[0]}")
    assert reason == "The line is nested more than 32 levels deep."
    alone = daemon.post("/v1/events", opening * 100_000)
    assert alone.status in (202, 400) and b'accepted":1' not in alone.body


@pytest.mark.parametrize("bad", [b"\\u0000", b"\0"], ids=["escaped", "raw"])
def test_a_nul_character_costs_its_own_line_only(daemon: LiveDaemon, bad: bytes) -> None:
    name = f"nul{len(bad)}"
    reason = refused_line(daemon, b'{"id": "n", "model": "bad", "inputs": {"name": "a' + bad + b'b"}}', name)
    assert "NUL character, which cannot be stored" in reason or "not valid JSON at character" in reason
    assert "\0" not in reason


def test_a_line_of_ten_megabytes_costs_itself_only(daemon: LiveDaemon) -> None:
    reason = refused_line(daemon, line("long", inputs={"text": "x" * (10 << 20)}), "ten")
    assert "10,485," in reason and "at most 1,048,576 are taken" in reason


def test_duplicate_ids_are_counted_and_observed_once(daemon: LiveDaemon) -> None:
    before = daemon.settled()
    twice = b"\n".join([line("twin-1"), line("twin-1"), line("twin-2")])
    assert daemon.post("/v1/events", twice).json == {"accepted": 2, "rejected": [], "duplicates": 1}
    assert daemon.post("/v1/events", twice).json == {"accepted": 0, "rejected": [], "duplicates": 3}
    after = daemon.settled()
    assert after["duplicates"] == before["duplicates"] + 4 and after["observed"] == before["observed"] + 2


def test_times_at_the_ends_of_the_calendar_and_without_a_zone(daemon: LiveDaemon) -> None:
    reason = refused_line(daemon, line("zone", at="2026-01-31T12:00:00"), "zone")
    assert "has no zone" in reason and "add Z for UTC" in reason and "2026-01-31T12:00:00" in reason
    assert "is no time" in refused_line(daemon, line("zone", at="yesterday"), "words")
    ends = [line("year1", at="0001-01-01T00:00:00Z"), line("year9999", at="9999-12-31T23:59:59Z"), line("now")]
    assert daemon.post("/v1/events", b"\n".join(ends)).json["accepted"] == 3
    file = daemon.post("/v1/events", line("year9999-of-a-file", at="9999-12-31T23:59:59Z"), Overloop_Source="file")
    assert file.json["accepted"] == 1
    daemon.settled()
    assert daemon.get("/v1/models/bad").json["last_seen"].startswith("20"), "the daemon's own time, not the event's"


def test_numbers_that_are_no_numbers_are_kept_and_hurt_nobody(daemon: LiveDaemon) -> None:
    odd = ["NaN", "Infinity", "-Infinity", "1e400", "-1e400", "1180591620717411303424", '"12.5"', '"NaN"', '"1e400"']
    plain = [b'{"id": "odd-%d", "model": "odd", "inputs": {"x": %d}}' % (k, k % 7) for k in range(300)]
    strange = [
        f'{{"id": "strange-{k}", "model": "odd", "inputs": {{"x": {odd[k % len(odd)]}}}}}'.encode() for k in range(90)
    ]
    text = [f'{{"id": "text-{k}", "model": "odd-text", "inputs": {{"x": "{k}.5"}}}}'.encode() for k in range(300)]
    for body in (plain, strange, text):
        answer = daemon.post("/v1/events", b"\n".join(body))
        assert answer.json == {"accepted": len(body), "rejected": [], "duplicates": 0}
    daemon.settled()
    assert "NaN or infinite" in daemon.incident("NonFiniteBurst", "odd")["summary"]
    assert daemon.incidents(model="odd-text") == [], "a column that was text from the start is no defect"


def test_a_column_that_changes_type_opens_an_incident(daemon: LiveDaemon) -> None:
    daemon.send(events("turning", 300, lambda k: {"inputs": {"amount": k % 9}}))
    daemon.send(events("turning", 60, lambda k: {"inputs": {"amount": f"EUR {k % 9}"}}, "text"))
    incident = daemon.incident("SchemaChange", "turning")
    assert "inputs.amount" in incident["summary"] and "type_change" in incident["evidence"][0]["segment"]
    assert incident["evidence"][0]["value"] > incident["evidence"][0]["expected"] == 0


# -- too much -----------------------------------------------------------------------------------------------------


def test_an_event_of_ten_thousand_columns_is_refused_with_the_limit(daemon: LiveDaemon) -> None:
    many = line("many", inputs={f"c{k}": k for k in range(10_000)})
    assert refused_line(daemon, many, "columns") == "The event has more than 4,096 columns."


def test_ten_thousand_columns_over_many_events_are_bounded(daemon: LiveDaemon) -> None:
    engine = daemon.family()["engine"]
    daemon.send(events("broad", 100, lambda k: {"inputs": {f"c{100 * k + j}": j for j in range(100)}}))
    daemon.settled(60.0)
    before = rss(engine)
    for turn in range(5):
        more = events("broad", 100, lambda k: {"inputs": {f"d{turn}-{100 * k + j}": j for j in range(100)}}, f"{turn}")  # noqa: B023
        daemon.send(more)
    daemon.settled(60.0)
    assert rss(engine) - before < 60 << 20
    assert len(daemon.get("/v1/models/broad").json["columns"]) <= 4096


@pytest.mark.slow
def test_a_million_distinct_categories_take_bounded_memory(daemon: LiveDaemon) -> None:
    family = daemon.family()
    held: dict[int, dict[str, int]] = {}
    for thousand in range(0, 1000, 10):
        numbers = range(thousand * 1000, (thousand + 10) * 1000)
        body = b"\n".join(
            b'{"id":"%d","model":"wide-1","inputs":{"merchant":"m%d","amount":1.5}}' % (k, k) for k in numbers
        )
        assert daemon.post("/v1/events", body).json["accepted"] == 10_000
        if thousand in (190, 990):
            daemon.settled(120.0)
            held[thousand] = {role: rss(family[role]) for role in ("front", "engine")}
    grown = {role: held[990][role] - held[190][role] for role in ("front", "engine")}
    assert grown["engine"] < 60 << 20 and grown["front"] < 120 << 20, grown
    assert "distinct" in daemon.incident("ManyMerchants", "wide-1")["evidence"][0]["statistic"]


def test_an_unknown_model_is_taken_in_and_asking_for_one_says_so(daemon: LiveDaemon) -> None:
    assert daemon.send(events("never seen before/ü", 3, lambda k: {"output": {"x": k}}))["accepted"] == 3
    daemon.settled()
    assert "never seen before/ü" in [m["model"] for m in daemon.get("/v1/models").json["models"]]
    truth = daemon.send([{"id": "t", "model": "nobody-knows-it", "truth": {"label": 1}}], "/v1/truth")
    assert truth["accepted"] == 1, "it may come before its event"
    asked = daemon.get("/v1/models/nobody-knows")
    assert asked.status == 404 and "nobody-knows" in asked.detail
    done = daemon.cli("model", "retire", "nobody-knows", "--reason", "test")
    assert done.returncode != 0 and "nobody-knows" in done.stderr
