"""Running the tests of a pack: its scripted events through the very step that runs live."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from monitor.core.events import Batch
from monitor.core.incidents.model import Incident
from monitor.core.notices.model import Policy, Receiver, Route
from monitor.core.rehearse import Rehearsal
from monitor.core.rules.model import Book, Pack, Rule
from monitor.core.rules.mutants import mutants
from monitor.core.rules.testfile import Expectation, ExpectedIncident, PackTest, TimedRecord, expand
from monitor.formats.decode import to_batches
from monitor.spool import Flags, Record

POLICY = Policy((Receiver("test"),), (Route(("test",)),), group_wait=0.0)


@dataclass(frozen=True, slots=True)
class Failed:
    """One expectation that was not met, in a sentence."""

    test: str
    line: int
    sentence: str


def run_test(pack: Pack, test: PackTest) -> list[Failed]:
    """Run one test of a pack. The events are the same on every run, and so is the answer."""
    rehearsal = Rehearsal(Book((pack,), f"test of {pack.name}"), POLICY)
    records = expand(test)
    failed: list[Failed] = []
    done = 0
    for at, expected in _moments(test):
        end = done
        while end < len(records) and records[end].at <= at:
            end += 1
        rehearsal.step(at, _batches(records[done:end], done), tick=True)
        done = end
        for expectation in expected:
            failed += [Failed(test.name, expectation.line, s) for s in _compare(rehearsal, test, expectation)]
    return failed


def _moments(test: PackTest) -> Iterable[tuple[float, list[Expectation]]]:
    """Every time at which a step is due: ticks, and the times something is expected."""
    due: dict[float, list[Expectation]] = {}
    for expectation in test.expect:
        due.setdefault(test.start + expectation.at, []).append(expectation)
    count = int((test.end - test.start) / test.tick)
    times = sorted({test.start + i * test.tick for i in range(count + 1)} | set(due))
    return [(at, due.get(at, [])) for at in times]


def _batches(records: Sequence[TimedRecord], first: int) -> list[Batch]:
    lines = [Record(0, first + i, 1, r.kind, r.at, Flags(), msgspec.json.encode(r.body)) for i, r in enumerate(records)]
    return to_batches(lines)


def _compare(rehearsal: Rehearsal, test: PackTest, expectation: Expectation) -> list[str]:
    """Sentences on what differs; none where all is as expected."""
    when = f"at {expectation.at:g} s"
    said: list[str] = []
    incidents = rehearsal.view.incidents
    if expectation.incidents is not None:
        left = [i for i in incidents.values() if i.state != "closed"]
        for wanted in expectation.incidents:
            found = next((i for i in left if _fits(wanted, i)), None)
            if found is None:
                said.append(
                    f"{when} there should be an incident of {wanted.rule} on {wanted.model} in state {wanted.state}"
                )
            else:
                left.remove(found)
        said += [f"{when} there is an incident of {i.key} on {i.model} in state {i.state}: {i.summary}" for i in left]
    if expectation.notices is not None:
        had = sorted((incidents[n.incident].key, incidents[n.incident].model, n.reason) for n in rehearsal.notices)
        wanted_notices = sorted((n.rule, n.model, n.reason) for n in expectation.notices)
        if had != wanted_notices:
            said.append(f"{when} the notices so far should be {wanted_notices} and are {had}")
    return said


def _fits(wanted: ExpectedIncident, found: Incident) -> bool:
    pairs: list[tuple[Any, Any]] = [
        (wanted.segment, found.segment),
        (wanted.severity, found.severity),
        (wanted.stage, found.stage),
    ]
    same = (found.key, found.model, found.state) == (wanted.rule, wanted.model, wanted.state)
    return same and all(said is None or said == is_ for said, is_ in pairs)


@dataclass(frozen=True, slots=True)
class Survivor:
    """A changed rule that no test noticed: its tests are too weak."""

    rule: str
    change: str


def survivors(pack: Pack, tests: Sequence[PackTest], told: Callable[[str], None] = lambda _: None) -> list[Survivor]:
    """Change each rule in each way, one at a time; those changes under which every test still passes."""
    found: list[Survivor] = []
    for rule in pack.rules:
        concerned = [test for test in tests if _mentions(test, rule)]
        for change, mutant in mutants(rule):
            told(f"{rule.key}: {change}")
            changed = replace(pack, rules=tuple(mutant if r.name == rule.name else r for r in pack.rules))
            if not any(run_test(changed, test) for test in concerned or tests):
                found.append(Survivor(rule.key, change))
    return found


def _mentions(test: PackTest, rule: Rule) -> bool:
    """Whether a test expects something of this rule, or its name says that it is about it."""
    named = any(i.rule == rule.key for e in test.expect for i in e.incidents or ())
    return named or rule.name.lower() in test.name.lower()
