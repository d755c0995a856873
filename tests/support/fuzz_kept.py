"""Targets: our own files, as a bad disk or somebody's hand may give them back; and what helpers and servers answer."""

from __future__ import annotations

import json
import os
import shutil
import struct
import zlib
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import zstandard
from fuzz_files import file, folder
from fuzzing import Target, text

from monitor.clock import Clock, ClockError
from monitor.core.audit.merkle import Frontier, leaf_hash
from monitor.core.detectors.pickles import pack, unpack
from monitor.core.references import Fitted, from_text
from monitor.core.references import unpack as unpack_reference
from monitor.core.state import StateError, dump, load
from monitor.delivery.classify import Trace, classify
from monitor.delivery.frames import read_frame
from monitor.runtime import evidence
from monitor.signing import Signer
from monitor.spool import Post, Record, Spool, SpoolError, id_hash, segment
from monitor.store import backup
from monitor.store.snapshots import Snapshots, _frame, _parse


def _state(data: bytes) -> None:
    try:
        value = load(data)
    except StateError:
        return
    assert load(dump(value)) is not None or value is None


def _snapshot(data: bytes) -> None:
    """Any file, and the same with a checksum that fits: only that it is whole is then known of it."""
    for whole in (data, data + sha256(data).digest()):
        try:
            _parse(whole)
        except ValueError as refused:
            assert str(refused)
    place = folder() / "snapshots"
    place.mkdir(exist_ok=True)
    kept = Snapshots(place).write("m", 7, b"state")
    kept.write_bytes(data)
    Snapshots(place).newest("m", 9)
    kept.unlink()


def _row(data: bytes) -> None:
    """A record of the spool with bytes of anybody's, under a checksum that fits."""
    head = (5, 1, 0, 1.0, 0, 0)
    for crc in (segment._crc(head, b"", data), 0):
        try:
            record = segment.record_of((*head, crc, b"", data), 0, Path("x.db"), zstandard.ZstdDecompressor())
        except SpoolError:
            continue
        assert isinstance(record, Record) and len(record.payload) <= segment.MOST_BYTES


def _page(data: bytes) -> None:
    """A segment file with some bytes changed: eight say where, the rest are written there, again and again."""
    place = folder() / "spool"
    if not place.exists():
        with Spool.open(place) as spool:
            for n in range(0, 60, 6):
                ids = [f"id-{i * 7919}" for i in range(n, n + 6)]
                lines = [b'{"id":"%s","model":"m","inputs":{}}' % i.encode() for i in ids]
                spool.append(0, [Post("events", lines, [id_hash("m", i) for i in ids])], float(n))
    path = next((place / "0").glob("*.db"))
    whole = path.read_bytes()
    changed = bytearray(whole)
    for start in range(0, min(len(data), 120), 12):
        at = int.from_bytes(data[start : start + 4], "big") % len(whole)
        put = data[start + 4 : start + 12]
        changed[at : at + len(put)] = put
    try:
        path.write_bytes(changed[: len(whole)])
        with Spool.open(place, write=False) as spool:
            for record in spool.read(0, 0, 1000):
                assert record.payload.count(b"\n") < 60
            spool.totals(0)
    except SpoolError as refused:
        assert str(refused)
    finally:
        path.write_bytes(whole)


def _pickle(data: bytes) -> None:
    version = pack({})[: -len(b"\x80\x05}\x94.")]
    for whole in (data, version + data):
        try:
            assert isinstance(unpack(whole), dict)
        except StateError:
            continue


def _reference(data: bytes) -> None:
    for read, given in ((unpack_reference, data), (unpack_reference, zlib.compress(data)), (from_text, text(data))):
        try:
            assert isinstance(read(given), Fitted)  # type: ignore[operator]
        except StateError:
            continue


def _helper(data: bytes) -> None:
    """What a helper process writes into its pipe."""
    reading, writing = os.pipe()
    try:
        os.write(writing, data[:60_000])
        os.close(writing)
        for _ in range(20):
            read_frame(reading)
    except (EOFError, ValueError):
        return
    finally:
        os.close(reading)


def _answer(data: bytes) -> None:
    """What a receiver said when it did not take a message."""
    lines = tuple(text(data).split("\n")[:50])
    result = classify(Trace(lines=lines, errors=frozenset(lines[:3])))
    assert result.problem.endswith(".") and result.outcome in ("retry", "dead", "unknown")


def _losses(data: bytes) -> None:
    from monitor.spool.reading import losses

    with file("losses.json", data):
        try:
            losses(folder())
        except SpoolError:
            return


def _export(data: bytes) -> None:
    """Evidence that somebody was given, with a head that is signed for whatever leaves it has."""
    manifest, _, rest = data.partition(b"\0")
    entries, _, leaves = rest.partition(b"\0")
    try:
        found = [bytes.fromhex(line) for line in leaves.decode("ascii").split()]
        root, size = Frontier().extend(found).root, len(found)
    except ValueError:
        root, size = bytes(32), 0
    place = folder() / "export"
    place.mkdir(exist_ok=True)
    signer = Signer.open(folder() / "audit.key", "o")
    files = {"manifest.json": manifest, "entries.ndjson": entries, "leaves.txt": leaves}
    files |= {"checkpoint.txt": signer.sign(size, root).encode(), "audit.vkey": str(signer.verifier).encode()}
    for name, content in files.items():
        (place / name).write_bytes(content)
    try:
        assert evidence.check(place, None).endswith(".")
    except evidence.EvidenceError as refused:
        assert str(refused).endswith(".")
    except (ValueError, KeyError, TypeError, OSError):  # no export at all: what the command says then
        return


def _manifest(data: bytes) -> None:
    with file("manifest.json", data):
        try:
            backup.read_manifest(folder())
        except backup.BackupError as refused:
            assert str(refused).endswith(".")


def _clock(data: bytes) -> None:
    place = folder() / "clock-home"
    place.mkdir(exist_ok=True)
    Clock(place).now()
    for path in place.rglob("*"):
        if path.is_file() and path.suffix != ".lock":
            path.write_bytes(data)
    try:
        Clock(place).now()
    except ClockError as refused:
        assert str(refused).endswith(".")
    finally:
        shutil.rmtree(place)


STATES: tuple[Any, ...] = ({"a": [1, 2.5, None, "x"], "b": np.arange(6.0).reshape(2, 3), "c": b"raw"}, [], float("nan"))
ENTRY = b'{"actor":"kim","at":"2026-11-24T08:00:00Z","body":{},"kind":"note","seq":0}'
EXPORT = (
    b'{"files": {}, "from": 0, "to": 0, "size": 2}\0'
    + ENTRY
    + b"\n\0"
    + f"{leaf_hash(ENTRY).hex()}\n{'0' * 64}\n".encode()
)
BACKUP = (
    b'{"format": 1, "created_at": "2026-11-24T08:00:00Z", "revision": "0001", "audit": null, "files": {"x": [3, "ab"]}}'
)
EMPTY = Fitted("p/R", "form", 0.05, ())
TARGETS = (
    Target("state", _state, tuple(map(dump, STATES))),
    Target("snapshot", _snapshot, (_frame("m", 7, b"state"), _frame("é", 1, b""), _frame("m", 7, b"state")[:-32])),
    Target("spool-record", _row, (zstandard.compress(b'{"id":"e"}'), zstandard.compress(b"\0" * (80 << 20)))),
    Target(
        "spool-page",
        _page,
        (struct.pack(">I8s", 100, b"\xff" * 8), struct.pack(">I8sI8s", 4096, b"", 9000, b"x" * 8)),
        120,
    ),
    Target(
        "pickle",
        _pickle,
        (pack({"a": 1}), pack({"a": [1.5]})[-20:], b"\x80\x05}\x94.", b"cos\nsystem\n(S'x'\ntR."),
        1 << 13,
    ),
    Target("reference", _reference, (EMPTY.pack(), zlib.decompress(EMPTY.pack()))),
    Target(
        "helper-frame", _helper, (b"\0\0\0\2{}", b"\0\0\0\x0b" + json.dumps({"a": "bc"}).encode(), b"\xff\xff\xff\xff")
    ),
    Target(
        "receiver-answer",
        _answer,
        (b"Failed to send: error=503.", b"SMTPException\ntimed out\nerror=429", b"ConnectError"),
        1 << 13,
    ),
    Target("audit-export", _export, (EXPORT, EXPORT.replace(b"2}", b"9}"))),
    Target("backup-manifest", _manifest, (BACKUP, BACKUP.replace(b"null", b'[3, "ab"]'))),
    Target("clock-file", _clock, (b"{}", b'{"at": 1.0, "boot": "x"}'), 1 << 12),
    Target("losses", _losses, (b'[{"from": 1, "to": 5, "file": "x", "at": 1.0}]', b"[]")),
)
