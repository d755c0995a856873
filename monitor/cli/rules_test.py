"""What `overloop rules test` does: run the tests of packs, and tell how each went."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field

import typer

from monitor.cli.context import as_json, say
from monitor.core.rules.model import Pack
from monitor.core.rules.mutants import mutants
from monitor.core.rules.testfile import PackTest
from monitor.runtime.packtests import Failed, Survivor, run_test, survivors

Packs = Sequence[tuple[Pack, str, tuple[PackTest, ...]]]
Step = Callable[[str], None]


@dataclass(slots=True)
class _Outcome:
    """What became of one pack."""

    pack: str
    file: str
    tests: list[tuple[str, list[Failed]]] = field(default_factory=list)
    unnoticed: list[Survivor] = field(default_factory=list)
    changes: int = 0


def run(packs: Packs, mutate: bool, output: str) -> bool:
    """Run them and print how it went; True if all is well."""
    outcomes: list[_Outcome] = []
    steps = sum(len(tests) + (sum(len(mutants(r)) for r in pack.rules) if mutate else 0) for pack, _, tests in packs)
    with _progress(steps) as step:
        for pack, file, tests in packs:
            outcome = _Outcome(pack.name, file)
            outcomes.append(outcome)
            for one in tests:
                step(f"{pack.name}: {one.name}")
                outcome.tests.append((one.name, run_test(pack, one)))
            if mutate:
                outcome.changes = sum(len(mutants(rule)) for rule in pack.rules)
                outcome.unnoticed = survivors(pack, tests, step)
    if output == "json":
        typer.echo(as_json([_plain(outcome) for outcome in outcomes]))
    else:
        say("\n".join([line for outcome in outcomes for line in _lines(outcome)]))
        say(_summary(outcomes, mutate))
    return not any(o.unnoticed or any(failed for _, failed in o.tests) for o in outcomes)


def _lines(outcome: _Outcome) -> Iterator[str]:
    for name, failed in outcome.tests:
        yield f"{'FAILED' if failed else 'passed'}  {outcome.pack}: {name}"
        for failure in failed:
            yield f"        {outcome.file}:{failure.line}: {failure.sentence.rstrip('.')}."
    for survivor in outcome.unnoticed:
        yield f"UNNOTICED  {survivor.rule}: every test still passes with {survivor.change}."


def _summary(outcomes: Sequence[_Outcome], mutate: bool) -> str:
    ran = sum(len(o.tests) for o in outcomes)
    bad = sum(bool(failed) for o in outcomes for _, failed in o.tests)
    said = f"{ran} test{'s' * (ran != 1)} of {len(outcomes)} pack{'s' * (len(outcomes) != 1)} ran; {bad} failed"
    if not mutate:
        return said + "."
    return (
        said
        + f"; of {sum(o.changes for o in outcomes)} changes {sum(len(o.unnoticed) for o in outcomes)} went unnoticed."
    )


def _plain(outcome: _Outcome) -> dict[str, object]:
    return {
        "pack": outcome.pack,
        "file": outcome.file,
        "tests": [
            {"name": name, "passed": not failed, "failures": [{"line": f.line, "sentence": f.sentence} for f in failed]}
            for name, failed in outcome.tests
        ],
        "changes": outcome.changes,
        "unnoticed": [asdict(survivor) for survivor in outcome.unnoticed],
    }


@contextmanager
def _progress(steps: int) -> Iterator[Step]:
    """A bar on a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    bars = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}", markup=False))
    with Progress(*bars, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=steps)
        yield lambda what: progress.update(task, advance=1, description=what[:60])
