"""`overloop audit`: read it, and prove that nothing was taken back."""

from __future__ import annotations

import json
from typing import Annotated, Any
from urllib.parse import urlencode

import typer
from typer._click import Context
from typer._click.exceptions import UsageError
from typer.core import TyperCommand

from monitor.cli import audit_evidence
from monitor.cli.context import Exit, Output, as_json, fail, say, shared, show, there, told

app = typer.Typer(help="Read and check the record of what happened and who did it.", no_args_is_help=True)

UNCHECKED = 3  # beside 0 intact, 1 tampered, 2 incomplete


class _Verify(TyperCommand):
    """A mistyped command has checked nothing: it must not end with 2, which here says that the log is incomplete."""

    def make_context(self, *args: Any, **more: Any) -> Context:
        try:
            return super().make_context(*args, **more)
        except UsageError as problem:
            problem.exit_code = UNCHECKED
            raise


@app.command(cls=_Verify)
def verify(
    context: typer.Context,
    against: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE:ROOT", help="A head seen earlier: it shows even a log that was cut and rolled back."
        ),
    ] = None,
    key: audit_evidence.Key = None,
    output: Output = "table",
) -> None:
    """Check every entry of the audit log. It reads the ledger in the home folder, whether the daemon runs or not.

    Exit code 0: intact. 1: tampered with, and where. 2: incomplete. 3: it could not be checked.
    """
    from monitor.runtime.evidence import signed_by
    from monitor.store.database import Database, LedgerUnavailable
    from monitor.store.schema import SchemaMismatch
    from monitor.store.schema import check as check_schema
    from monitor.store.verify import parse_head
    from monitor.store.verify import verify as check

    ledger = shared(context).folder() / "ledger.db"
    if not there(ledger):
        fail(f"There is no ledger in {ledger.parent}: name the daemon's home folder with --home.", UNCHECKED)
    try:
        head = None if against is None else parse_head(against)
        opened = signed_by(ledger.parent, None if key is None else audit_evidence.verifier(key))
        check_schema(ledger)
        with Database.open(ledger, ledger.parent / "run") as database, database.read() as connection:
            verdict = check(connection, head, opened)
    except (ValueError, LedgerUnavailable, SchemaMismatch) as problem:
        fail(str(problem), UNCHECKED)
    except Exception as problem:  # tables that are gone, a broken disk: whatever it was, nothing was checked
        fail(f"The audit log in {ledger} cannot be read ({type(problem).__name__}).", UNCHECKED)
    whole = {"code": verdict.code, "says": verdict.sentence, "size": verdict.size, "root": verdict.root.hex()}
    if output == "json":
        typer.echo(as_json({**whole, "first_bad": verdict.first_bad}))
    else:
        say(verdict.sentence)
    raise typer.Exit(verdict.code)


@app.command("list")
def list_(
    context: typer.Context,
    kind: Annotated[str | None, typer.Option(metavar="KIND", help="Only entries of one kind.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, metavar="N", help="At most so many.")] = 50,
    output: Output = "table",
) -> None:
    """List entries, the newest first."""
    if kind is not None:
        _known(kind)
    with told():
        asked = {"limit": limit, **({"kind": kind} if kind else {})}
        page = shared(context).daemon().json(f"/v1/audit?{urlencode(asked)}")
    rows = [{**entry, "at": entry["at"][:19] + "Z", "body": _inline(entry["body"])} for entry in page["entries"]]
    show(rows, ["seq", "at", "kind", "actor", "body"], output, page)


@app.command()
def head(context: typer.Context, output: Output = "table") -> None:
    """Print SIZE:ROOT as it is now. Keep it somewhere else for `audit verify --against`."""
    with told():
        found = shared(context).daemon().json("/v1/audit/head")
    if output == "json":
        typer.echo(as_json(found))
    else:
        say(found["against"])


for command in (audit_evidence.prove, audit_evidence.check, audit_evidence.export, audit_evidence.key):
    app.command()(command)


def _known(kind: str) -> None:
    from monitor.core.audit.kinds import KINDS
    from monitor.core.rules.diagnose import meant

    if kind not in KINDS:
        fail(f"There is no kind {kind!r}. {meant(kind, sorted(KINDS))}", Exit.USAGE)


def _inline(body: Any) -> str:
    """The body of an entry in one line."""
    if not isinstance(body, dict):
        return str(body)
    return ", ".join(f"{name}: {_short(value)}" for name, value in body.items() if value is not None)


def _short(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else str(value)
