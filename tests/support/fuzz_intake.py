"""Targets: bodies of posts, their headers and codings, and what of them is kept."""

from __future__ import annotations

import asyncio
import gzip
import json
from typing import Any, Literal

import zstandard
from fuzzing import Target, text

from monitor.formats.careful import Refused
from monitor.formats.careful import check as careful
from monitor.formats.decode import to_batches
from monitor.formats.native import Checked, Checker
from monitor.formats.secrets import Secrets
from monitor.formats.split import Unreadable, split
from monitor.formats.typed import Shapes
from monitor.spool import Flags, Record
from monitor.web import intake_body
from monitor.web.intake_headers import flags_of, number_of
from monitor.web.problems import Problem

Kind = Literal["events", "truth"]
KEY = b"k" * 32
CAP = 1 << 20  # bytes of a body, here

EVENTS = (
    (
        b'{"id":"e1","model":"m","version":"1","at":"2026-01-31T12:00:00Z","inputs":{"a":1,"b":{"c":"x"}},"output":{"s":0.5}}\n'
        b'{"id":"e2","model":"m","version":"1","at":"2026-01-31T12:00:01Z","inputs":{"a":2,"b":{"c":"y"}},"output":{"s":0.25}}'
    ),
    (
        b'{"id":"e1","model":"m","inputs":{"a":1},"output":{"s":0.5}}\n{"id":"e2","model":"m","inputs":{"a":2},"output":{"s":1}}\n'
        b'{"id":"e3","model":"m","inputs":{"a":-3.5e2},"output":{"s":null}}'
    ),
    b'[{"id":1,"model":"m","inputs":{"card":"4111","v":[1,2,3]},"context":{"latency_ms":3}}, {"id":2,"model":"m","at":17e8,"output":{}}]',
    b'{"id":"e","model":"m","truth":{"label":"yes"}}',
    b'{"id":"e1","model":"m","inputs":{"password":"x","a":{"b":[{"c":1}]}}}\r\n{"id":"e2","model":"n","inputs":{}}\r\n',
)
TRUTHS = (
    b'{"id":"e1","model":"m","truth":{"label":1}}\n{"id":"e2","model":"m","truth":{"label":0},"at":"2026-01-31T12:00:00Z"}',
    b'[{"id":"e1","model":"m","truth":{"a.b":{"c":true}}}]',
)


def _agree(kind: Kind, data: bytes) -> None:
    """All ways of reading take the same lines, refuse the same with the same sentence, and see the same in them."""
    checker = Checker(kind, Secrets(KEY))
    try:
        found = [checker.check(data), checker.check(data)]  # the second time with all learned that there is to learn
    except Unreadable as refused:
        assert str(refused).endswith(".")
        return
    expected = _carefully(kind, data)
    for checked in found:
        assert (checked.models, checked.ids, checked.rejected) == (expected.models, expected.ids, expected.rejected)
        assert len(checked.lines) == len(checked.ids)
        assert _seen(kind, checked.lines) == _seen(kind, expected.lines)


def _carefully(kind: Kind, data: bytes) -> Checked:
    checked = Checked()
    for number, line in split(data):
        try:
            model, id_, kept = careful(line, kind, Secrets(KEY))
        except Refused as refused:
            assert str(refused)[-1] in ".?", refused
            checked.rejected.append((number, str(refused)))
            continue
        checked.models.append(model)
        checked.ids.append(id_)
        checked.apart.append(kept)
    return checked


def _seen(kind: Kind, lines: list[bytes]) -> str:
    """What the engine sees of kept lines: without a shape, and twice with what shapes it has learned."""
    if not lines:
        return ""
    record = Record(0, 5, len(lines), kind, 1.8e9, Flags(), b"\n".join(lines))
    shapes = Shapes()
    found = [_told(to_batches([record], shapes=one)) for one in (None, shapes, shapes)]
    assert found[0] == found[1] == found[2], "the typed reading sees something else"
    return found[0]


def _told(batches: list[Any]) -> str:
    for batch in batches:
        assert all(len(column) == batch.n for column in batch.columns.values())
    return repr([(b.model, b.ids, b.at, {k: b.columns[k] for k in sorted(b.columns)}, b.versions) for b in batches])


def _inflated(coding: str, data: bytes) -> None:
    try:
        assert len(intake_body.inflate(data, coding, CAP)) <= CAP
    except Problem as problem:
        assert problem.status in (400, 413)


def _streamed(data: bytes) -> None:
    """A body in parts, with what the headers announce of it: the first line is the Content-Length."""
    announced, _, body = data.partition(b"\n")
    parts = [body[start : start + 1000] for start in range(0, len(body), 1000)] or [b""]
    messages = [{"type": "http.request", "body": part, "more_body": True} for part in parts] + [
        {"type": "http.request"}
    ]

    async def receive() -> Any:
        return messages.pop(0)

    async def read() -> bytes:
        with intake_body.Memory(50_000).hold() as take:
            return await intake_body.read(receive, {"content-length": announced.decode("latin-1")}, 40_000, take)

    try:
        assert asyncio.run(read()) == body
    except Problem as problem:
        assert problem.status in (413, 503)


def _headers(data: bytes) -> None:
    names = ("overloop-producer", "overloop-sequence", "overloop-source", "overloop-live", "content-encoding")
    headers = dict(zip(names, data.decode("latin-1").split("\n"), strict=False))
    flags_of(headers)
    for read in (number_of, intake_body.coding_of):
        try:
            read(headers)  # type: ignore[operator]
        except Problem as problem:
            assert problem.status in (400, 415)


def _line_of_kept(data: bytes) -> None:
    """Bytes as a damaged spool might give them: read, or refused by one error."""
    from monitor.formats.decode import DecodeError

    lines = data.count(b"\n") + 1
    for kind in ("events", "truth"):
        try:
            to_batches([Record(0, 0, lines, kind, 1.0, Flags(), data)])  # type: ignore[arg-type]
        except DecodeError as refused:
            assert text(str(refused).encode("utf-8", "replace"))


BOMB = gzip.compress(b"\0" * (8 << 20))
TARGETS = (
    Target("events", lambda data: _agree("events", data), (*EVENTS, *TRUTHS)),
    Target("truth", lambda data: _agree("truth", data), (*TRUTHS, *EVENTS)),
    Target("kept-lines", _line_of_kept, (*EVENTS, *TRUTHS)),
    Target("gzip", lambda data: _inflated("gzip", data), (gzip.compress(EVENTS[0]), gzip.compress(b"") * 40, BOMB)),
    Target(
        "zstd",
        lambda data: _inflated("zstd", data),
        (
            zstandard.compress(EVENTS[0]),
            zstandard.compress(b"") * 40,
            zstandard.compress(b"\0" * (8 << 20)),
            zstandard.ZstdCompressor(write_content_size=False).compress(json.dumps(list(range(3000))).encode()),
        ),
    ),
    Target("body", _streamed, (b"5\nabcde", b"\n", b"0\n" + b"x" * 5000)),
    Target("intake-headers", _headers, (b"producer\n17\nfile\n1\ngzip", b"p\n0\nFile\n\nx-gzip")),
)
