"""Targets: files that people hand over: tables of events, settings, rule packs and their tests, followed files."""

from __future__ import annotations

import gzip
import io
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from fuzzing import Target, text

from monitor.cli.events_files import Reading, Source
from monitor.core.rules.expressions import compile_condition, compile_number
from monitor.core.rules.parse import parse_pack
from monitor.core.rules.parse_tests import parse_tests
from monitor.core.rules.syntax import ExpressionError
from monitor.formats.mapping import MappingError
from monitor.formats.split import Unreadable
from monitor.formats.yaml_nodes import load as load_yaml
from monitor.settings import SettingsError, load
from monitor.settings.place import line_of
from monitor.sources.follow import Follower, FollowError

ROWS = 5_000  # of a table that are read here


@cache
def folder() -> Path:
    """For files of one process; gone when it ends."""
    kept = tempfile.TemporaryDirectory(prefix="overloop-fuzz-")
    _KEEP.append(kept)
    return Path(kept.name)


_KEEP: list[tempfile.TemporaryDirectory[str]] = []


@contextmanager
def file(name: str, data: bytes) -> Iterator[Path]:
    path = folder() / name
    path.write_bytes(data)
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def _table(name: str) -> Any:
    def run(data: bytes) -> None:
        for reading in (
            Reading(model="m"),
            Reading(truth=True, model="m", columns={"a": "id"}, zone="Europe/Berlin"),
        ):
            with file(name, data) as path:
                try:
                    for number, (_, line) in enumerate(Source(path, reading, "f", "p").lines()):
                        assert isinstance(line, bytes)
                        if number > ROWS:
                            break
                except (MappingError, Unreadable) as refused:
                    assert str(refused).endswith("."), refused

    return run


def _parquet(rows: Mapping[str, list[Any]]) -> bytes:
    import pyarrow
    import pyarrow.parquet

    sink = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(rows), sink, compression="NONE", use_dictionary=False)
    return sink.getvalue()


def _settings(data: bytes) -> None:
    """As `overloop run --config FILE` reads it."""
    with file("overloop.toml", data) as path:
        try:
            load({"home": folder(), "config": path}, {})
        except SettingsError as refused:
            assert str(refused)[-1] in ".?", refused
    said = text(data)
    line = line_of(said, ("receivers", "oncall", "url_env"))
    assert line is None or 1 <= line <= len(said.splitlines())


def _environment(data: bytes) -> None:
    """Lines NAME=VALUE as the environment has them."""
    pairs = [line.partition("=") for line in text(data).replace("\0", "").split("\n")[:20]]
    try:
        load({"home": folder()}, {f"OVERLOOP_{name}": value for name, _, value in pairs if name})
    except SettingsError as refused:
        assert str(refused)[-1] in ".?", refused


def _rules(data: bytes) -> None:
    document, found = load_yaml(data, "p/pack.yaml")
    if document is not None:
        pack, found = parse_pack(document)
        assert (pack is None) == any(d.severity == "error" for d in found)
    for diagnostic in found:
        assert diagnostic.message


@lru_cache(maxsize=1)
def _pack() -> Any:
    document, _ = load_yaml(PACK, "p/pack.yaml")
    assert document is not None
    pack, found = parse_pack(document)
    assert pack is not None, found
    return pack


def _tests(data: bytes) -> None:
    document, _ = load_yaml(data, "p/tests.yaml")
    if document is not None:
        parse_tests(document, _pack())


def _expression(data: bytes) -> None:
    for compile_ in (compile_condition, compile_number):
        try:
            compile_(text(data))  # type: ignore[operator]
        except ExpressionError as refused:
            assert str(refused)


def _followed(data: bytes) -> None:
    """A file that is followed, cut anywhere, and the note of where reading stopped, whatever it holds."""
    cut = data.find(b"\n\n")
    noted, content = (data[:cut], data[cut + 2 :]) if cut >= 0 else (b"", data)
    state = folder() / "state"
    state.unlink(missing_ok=True)
    if noted:
        state.write_bytes(noted)
    with file("followed", content) as path:
        try:
            follower = Follower(path, state, "p")
            for _ in range(50):
                piece = follower.next()
                if piece is None:
                    break
                assert b"\n" not in b"".join(piece.lines)
                follower.done()
            follower.close()
        except FollowError as refused:
            assert str(refused).endswith(".")


CSV = b"id,model,at,amount,label,flag\ne1,m,2026-01-31T12:00:00Z,1.5,yes,true\ne2,m,2026-01-31T12:00:01Z,,no,false\n"
SEMICOLONS = b'\xef\xbb\xbfa;b;prediction\r\n1;"x;\r\ny";0.5\r\n2;"z""";NaN\r\n'
NDJSON = b'{"id":"e1","model":"m","inputs":{"a":1}}\n\n{"id":"e2","model":"m","inputs":{"a":2}}\n'
PACK = b"""\
pack: p
models: ["m-*"]
halt: {fallback: "the rule of thumb"}
params: {p99_ms: 800}
columns: {output.s: {kind: number}, inputs.card: {kind: secret}}
rules:
- alert: A
  detect: {shift: output.s, by: [context.channel], tolerance: 0.05}
  severity: high
  annotations: {summary: "s {value}", meaning: "m", action: "a", runbook_url: "https://example.org"}
- alert: B
  share: {of: "output.c < 0.6 and inputs.a in ('x', 'y')", above: 5%, clear_below: 3%, over: 15m, min_events: 20}
  severity: medium
  for: 5m
- alert: C
  measure: {of: p99(context.latency_ms), above: $p99_ms, over: 10m}
  severity: low
- alert: D
  absent: {for: 10m, expect: [m-1]}
  severity: low
  labels: {team: risk}
- alert: E
  detect: {harm: output.l != truth.l}
  severity: low
"""
PACK_TESTS = b"""\
pack: p
tests:
- name: one
  model: m-1
  tick: 30s
  events:
  - {from: 1s, every: 10s, count: 5, inputs: {a: {noise: [1, 2]}, b: [1, _]}, output: {c: {mix: {x: 50%, y: 50%}}}}
  - {count: 3, output: {s: {line: [0, 1]}, t: {steps: "1x2 0+1x3 _"}}, truth: {l: {each: "n{n}"}}, truth_after: 5s}
  expect:
  - {at: 5m, incidents: [{rule: A, state: open}], notices: []}
"""
TOML = b"""\
listen = "127.0.0.1:8420"
public_url = "https://overloop.example.org"
rules = ["rules"]
[spool]
retain_days = 7
[models."fraud-*"]
false_pages = "1/week"
[receivers.oncall]
url_env = "ONCALL"
[receivers.pd]
kind = "pagerduty"
key_env = "PD"
[[routes]]
receivers = ["oncall"]
matchers = ['severity=~"high|critical"', 'model!="x"']
group_by = ["model"]
group_interval = "5m"
[notices]
group_wait = "30s"
[escalations.first]
steps = [{after = "0s", receivers = ["oncall"]}]
[schedules.s]
zone = "Europe/Berlin"
start = "2026-11-23T09:00"
members = ["a", "b"]
[time_intervals.night]
zone = "UTC"
hours = ["22:00-06:00"]
days = ["mon-fri"]
dates = ["2026-12-24/2026-12-26"]
"""
EXPRESSIONS = (
    b"output.score < 0.6 and not (inputs.a in ('x', \"y\") or inputs.b is missing)",
    b"p99(context.latency_ms)",
    b"abs(inputs.a - 2) / 3 >= len(inputs.t) % 7",
    b"lower(col(\"inputs.user-id\")) == 'x'",
    b"matches(inputs.t, '^(a|b)+[0-9]{2,3}$')",
    b"hour(at) < 6 or weekday(at) == 0",
    b"output.label != truth.label",
)
NOTED = b'{"producer": "p", "sequence": 3, "device": 1, "inode": 2, "head": "00", "head_bytes": 5, "offset": 5, "pending": 0}'
TARGETS = (
    Target("csv", _table("t.csv"), (CSV, SEMICOLONS, b"a\tb\n1\t2\n")),
    Target("csv-gz", _table("t.csv.gz"), (gzip.compress(CSV), gzip.compress(b"a,b\n" + b"1,2\n" * 500))),
    Target("ndjson-file", _table("t.ndjson"), (NDJSON, b"[" + NDJSON.strip().replace(b"\n\n", b",") + b"]")),
    Target(
        "parquet",
        _table("t.parquet"),
        (
            _parquet({"id": ["e1", "e2"], "a": [1.5, None], "at": ["2026-01-31", "x"]}),
            _parquet({"a": [[1, 2], []], "b": [{"c": 1}, None]}),
        ),
    ),
    Target("settings", _settings, (TOML, b'listen = "[::1]:0"\n[models.m]\nfalse_pages = "2/day"\n')),
    Target(
        "environment", _environment, (b"LISTEN=127.0.0.1:1\nSPOOL_RETAIN_DAYS=3\nRULES=a:b", b"PUBLIC_URL=https://a.b")
    ),
    Target("rule-pack", _rules, (PACK,), most=1 << 14),
    Target("pack-tests", _tests, (PACK_TESTS,), most=1 << 14),
    Target("expression", _expression, EXPRESSIONS, most=1 << 13),
    Target("followed-file", _followed, (b"\n\n" + NDJSON, NOTED + b"\n\n" + NDJSON)),
)
assert tomllib.loads(TOML.decode())
