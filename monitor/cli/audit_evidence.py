"""`overloop audit prove|check|export|key`: what people outside can check without the daemon."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from monitor.cli.context import Exit, Output, as_json, fail, say, shared, there

if TYPE_CHECKING:
    from monitor.core.audit.note import Verifier
    from monitor.signing import Signer
    from monitor.store.database import Database

UNCHECKED = 3  # as of `audit verify`: beside 0 intact, 1 tampered, 2 incomplete
Key = Annotated[
    str | None, typer.Option(metavar="KEY|FILE", help="The verifier key to trust, or a file that holds it.")
]


def prove(
    context: typer.Context,
    seq: Annotated[int, typer.Argument(min=0, metavar="SEQ", help="The number of the entry, see `audit list`.")],
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write it there.")] = None,
) -> None:
    """Prove that an entry is in the log, as a text that can be checked offline (c2sp.org/tlog-proof)."""
    from monitor.runtime.evidence import prove as proved

    with _ledger(context) as (database, signer, now):
        text = str(proved(database, signer, seq, now))
        if out is not None:
            out.write_text(text, encoding="utf-8")
    if out is None:
        typer.echo(text, nl=False)
        return
    say(f"{out} proves entry {seq}. Check it with: overloop audit check {out} --key KEY")


def check(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A proof, or the folder of an export.")],
    key: Key = None,
    output: Output = "table",
) -> None:
    """Check a proof or an export. It needs no daemon and no ledger, only the files and the log's verifier key.

    Exit code 0: good. 1: tampered with. 3: it could not be checked.
    """
    from monitor.core.audit.note import NoteError
    from monitor.runtime.evidence import EvidenceError
    from monitor.runtime.evidence import check as checked

    if not there(path):
        fail(f"There is no {path}.", UNCHECKED)
    try:
        trusted = None if key is None else verifier(key)
    except NoteError as problem:
        fail(str(problem), UNCHECKED)
    try:
        code, said = 0, checked(path, trusted)
    except EvidenceError as problem:
        code, said = 1, str(problem)
    except (OSError, ValueError, KeyError, TypeError) as problem:
        fail(f"{path} cannot be read as a proof or an export ({problem}).", UNCHECKED)
    if output == "json":
        typer.echo(as_json({"code": code, "says": said}))
    else:
        say(said, err=code != 0)
    raise typer.Exit(code)


def export(
    context: typer.Context,
    out: Annotated[Path, typer.Option(metavar="DIR", help="A new or empty folder.")],
    start: Annotated[int, typer.Option("--from", min=0, metavar="SEQ", help="The first entry.")] = 0,
    stop: Annotated[int | None, typer.Option("--to", min=0, metavar="SEQ", help="The last entry.")] = None,
    output: Output = "table",
) -> None:
    """Write entries, the signed head and all that is needed to check them into a folder. The log says that you did."""
    from monitor.runtime.evidence import export as given_out

    with _ledger(context) as (database, signer, now):
        given = given_out(database, signer, out, start, None if stop is None else stop + 1, now, "admin")
    whole = {
        "out": str(out),
        "from": given.start,
        "to": given.stop - 1,
        "size": given.size,
        "root": given.root.hex(),
        "manifest_sha256": given.manifest,
        "key": str(signer.verifier),
    }
    if output == "json":
        typer.echo(as_json(whole))
        return
    say(f"Entries {given.start} to {given.stop - 1} are in {out}, with the signed head of {given.size} entries.")
    say(f"Check them with: overloop audit check {out} --key {signer.verifier}")


def key(context: typer.Context) -> None:
    """Print the verifier key of this log. Keep it elsewhere: with it others can check what they are given."""
    with _ledger(context) as (_, signer, _now):
        typer.echo(str(signer.verifier))


def verifier(text: str) -> Verifier:
    """A verifier key that was typed, or the one in a file. Raises NoteError."""
    from monitor.core.audit.note import parse_verifier
    from monitor.signing import read_verifier

    return (None if "+" in text else read_verifier(Path(text))) or parse_verifier(text)


@contextmanager
def _ledger(context: typer.Context) -> Iterator[tuple[Database, Signer, float]]:
    """The ledger of the home, whether the daemon runs or not, its key, and the daemon's time."""
    from monitor.clock import Clock, ClockError
    from monitor.runtime.evidence import EvidenceError, open_signer
    from monitor.signing import KeyFileError
    from monitor.store.database import Database, LedgerUnavailable
    from monitor.store.schema import SchemaMismatch
    from monitor.store.schema import check as check_schema

    home = shared(context).folder()
    if not there(home / "ledger.db"):
        fail(f"There is no ledger in {home}: name the daemon's home folder with --home.", Exit.UNREACHABLE)
    try:
        check_schema(home / "ledger.db")
        with Database.open(home / "ledger.db", home / "run") as database:
            with database.read() as connection:
                signer = open_signer(home, connection)
            yield database, signer, Clock(home).now()
    except EvidenceError as problem:
        fail(str(problem))
    except (LedgerUnavailable, SchemaMismatch, KeyFileError, ClockError) as problem:
        fail(str(problem), Exit.UNREACHABLE)
    except OSError as problem:
        fail(f"{problem.filename or home} cannot be used: {problem.strerror}.", Exit.UNREACHABLE)
