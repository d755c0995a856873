"""Reads what an oversight report is made from, and writes into the audit log that it was given out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from monitor.core.oversight.report import Facts, make_report
from monitor.core.rules.model import Book
from monitor.core.times import parse_time
from monitor.runtime.evidence import open_signer, signed_by
from monitor.store import queries
from monitor.store.database import Connection, Database
from monitor.store.errors import Unknown
from monitor.store.ledger import last_step
from monitor.store.trail import entries_between, keep_checkpoint, notes_signed
from monitor.store.verify import verify

_OF_ALL: Final = frozenset({"gap", "engine_started", "engine_stopped", "book_loaded", "clock_jump", "clock_accepted"})
_MANY: Final = 100_000  # incidents and overrides of one period


def oversight(database: Database, home: Path, book: Book, model: str, start: float, stop: float, now: float) -> Any:
    """The report of a model over [start, stop), seconds since 1970 UTC, as plain data.

    The head of the log is signed first.
    """
    with database.read() as connection:
        signer = open_signer(home, connection)
    with database.write(now) as tx:
        keep_checkpoint(tx, signer.sign)
    with database.read() as connection:
        verdict = verify(connection, None, signed_by(home))
        integrity = {
            "code": verdict.code,
            "says": verdict.sentence,
            "size": verdict.size,
            "root": verdict.root.hex(),
            "signed": notes_signed(connection, start, stop),
        }
        facts = Facts(
            model,
            start,
            stop,
            now,
            integrity,
            [entry for entry in entries_between(connection, start, stop) if _concerns(entry, model)],
            list(_incidents(connection, model, start, stop)),
            _overrides(connection, model, start, stop),
            _rules(book, model),
            {pack.name: pack.fallback for pack, _ in book.rules_for(model)},
            book.options_for(model).false_pages,
            queries.users(connection),
            _seen(connection, model),
            last_step(connection),
        )
    return make_report(facts, crosswalks())


def given_out(database: Database, report: Any, by: str, now: float) -> str:
    """Write that the report was given out, with its SHA-256 (of the JSON as `canonical` writes it); answers it."""
    digest = sha256(canonical(report)).hexdigest()
    with database.write(now) as tx:
        tx.audit("export", by, {"report": "oversight", "model": report["model"], **report["period"], "sha256": digest})
    return digest


def canonical(report: Any) -> bytes:
    """The bytes that `-o json` prints."""
    return (json.dumps(report, indent=2, ensure_ascii=False) + "\n").encode()


def crosswalks() -> list[dict[str, Any]]:
    """What laws and standards ask, and which sections have evidence of it: the data files beside this module."""
    folder = files("monitor.runtime") / "crosswalks"
    found = sorted((file for file in folder.iterdir() if file.name.endswith(".json")), key=lambda file: file.name)
    return [json.loads(file.read_text(encoding="utf-8")) for file in found]


def _concerns(entry: dict[str, Any], model: str) -> bool:
    body = entry["body"]
    return entry["kind"] in _OF_ALL or model in (body.get("model"), body.get("scope"))


def _incidents(connection: Connection, model: str, start: float, stop: float) -> Iterator[dict[str, Any]]:
    """Those opened in the period, the newest first."""
    after, seen = None, 0
    while seen < _MANY:
        page, after = queries.incidents(connection, model=model, since=start, limit=500, after=after)
        seen += len(page)
        yield from (incident for incident in page if start <= parse_time(incident["opened_at"]) < stop)
        if after is None:
            return


def _overrides(connection: Connection, model: str, start: float, stop: float) -> list[dict[str, Any]]:
    found = queries.overrides(connection, model, start, _MANY)
    return [override for override in found if parse_time(override["at"]) < stop]


def _rules(book: Book, model: str) -> list[dict[str, Any]]:
    return [
        {
            "rule": rule.key,
            "form": type(rule.form).__name__.lower(),
            "severity": rule.severity,
            "stage": rule.stage,
            "gate": rule.gate,
        }
        for _, rule in book.rules_for(model)
    ]


def _seen(connection: Connection, model: str) -> dict[str, Any] | None:
    try:
        return queries.model(connection, model)
    except Unknown:
        return None
