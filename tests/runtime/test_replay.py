"""What ran live can be run again, and nothing that kills an engine changes what it comes to.

Each example is a script of posts, time, reloads and people's actions. It is run once undisturbed, and once with
engines that die at any moment, snapshots of anything at any time, and snapshots that are damaged. Then the recorded
steps are run over an empty bank.
"""

from __future__ import annotations

import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pumping import World, heard

from monitor.core.bank import Bank
from monitor.core.decide import decide
from monitor.core.rules.model import Book
from monitor.core.step import observe
from monitor.core.view import View
from monitor.formats.decode import to_batches
from monitor.runtime.desk import DeskError
from monitor.runtime.pump import Stopped
from monitor.runtime.restore import INDEX
from monitor.spool import Flags
from monitor.store.database import Database
from monitor.store.ledger import load_view

PACK = """
pack: tests
models: ["m*"]
rules:
- alert: Low
  share: {of: output.confidence < 0.6, above: 50%, clear_below: 10%, over: 1m, min_events: 2, by: [context.channel]}
  severity: high
- alert: Slow
  count: {of: context.latency_ms > 100, above: 2, over: 2m}
  for: 20s
  severity: medium
- alert: Silent
  absent: {for: 1m, expect: [m-never]}
  severity: high
- alert: Moved
  detect: {shift: inputs.x, with: adwin, delta: 0.1, budget: none}
  severity: high
- alert: Odd
  detect: {anomaly: "inputs.*", with: half_space_trees, n_trees: 3, height: 3, window_size: 20, budget: none}
  severity: low
- alert: Broken
  detect: {quality: "inputs.*"}
  severity: medium
- alert: Wrong
  share: {of: output.label != truth.label, above: 60%, over: 5m, min_events: 3}
  severity: medium
- alert: Canary
  compare: {of: mean(output.confidence), with: previous_version, below: 20%, over: 2m, min_events: 3}
  severity: medium
"""
PACKS = (
    PACK,
    PACK.replace("above: 50%", "above: 20%").replace("  for: 20s\n", "  for: 40s\n"),
    PACK.replace("of: output.label != truth.label", "of: output.label != truth.label and inputs.x < 9"),
    PACK.replace("  severity: high\n- alert: Odd", "  severity: high\n  stage: shadow\n- alert: Odd"),
    PACK[: PACK.index("- alert: Wrong")].replace("absent: {for: 1m", "absent: {for: 2m"),
)
X: list[Any] = [0.1, 0.2, 0.3, 5.0, 5.1, None, "NaN", "Infinity", "7", 2**70, [1, 2], True, {"deep": 1}]
FILE = Flags(event_time=True, live=False, source="file")

events = st.lists(
    st.fixed_dictionaries(
        {
            "model": st.sampled_from(["m1", "m1", "m2", "other"]),
            "version": st.sampled_from(["a", "a", "a", "b"]),
            "inputs": st.fixed_dictionaries({"x": st.sampled_from(X)}, optional={"y": st.sampled_from(X)}),
            "output": st.fixed_dictionaries(
                {"confidence": st.sampled_from([0.1, 0.9, 0.95]), "label": st.integers(0, 1)}
            ),
            "context": st.fixed_dictionaries(
                {"latency_ms": st.sampled_from([20, 900])}, optional={"channel": st.sampled_from(["web", "app"])}
            ),
        }
    ),
    min_size=1,
    max_size=12,
)
ops = st.one_of(
    st.tuples(st.just("post"), events),
    st.tuples(st.just("post"), events),
    st.tuples(st.just("import"), events),
    st.tuples(st.just("backfill"), st.tuples(events, st.sampled_from([3_000.0, 9_000.0, 1e6]))),
    st.tuples(st.just("truth"), st.lists(st.integers(0, 60), min_size=1, max_size=8, unique=True)),
    st.tuples(st.just("pass"), st.sampled_from([1.0, 5.0, 10.0, 90_000.0])),
    st.tuples(st.just("turn"), st.sampled_from([1, 5, 1000])),
    st.tuples(st.just("reload"), st.integers(0, len(PACKS) - 1)),
    st.tuples(st.just("act"), st.sampled_from(["acknowledge", "close", "reopen", "accept", "retire", "kind"])),
    st.tuples(st.just("die"), st.sampled_from(["before the commit", "after the commit"])),
)
troubles = st.one_of(
    st.none(),
    st.tuples(st.just("save"), st.sets(st.sampled_from([INDEX, "m1", "m2", "other", "m-never"]), min_size=1)),
    st.tuples(st.just("save"), st.sets(st.sampled_from([INDEX, "m1", "m2", "other", "m-never"]), min_size=3)),
    st.tuples(st.just("restart"), st.none()),
    st.tuples(st.just("damage"), st.integers(0, 20)),
)
script = st.lists(st.tuples(ops, troubles), min_size=8, max_size=25)


class Death(Exception):  # noqa: N818 - what happened, not an error
    """The engine is gone right after its commit."""


def live(world: World, script: list[Any], disturbed: bool) -> None:
    """One life of a home. Only a disturbed one sees death, snapshots and damage."""
    for (op, what), trouble in script:
        if op in ("post", "import"):
            world.post(*what, flags=FILE if op == "import" else None)
            world.pump().turn(5)
        elif op == "backfill":
            rows, ago = what
            happened = world.clock.now() - ago
            world.post(*({**row, "at": happened + i} for i, row in enumerate(rows)), flags=FILE)
            world.pump().turn(5)
        elif op == "truth":
            world.truth(*({"id": f"e{n}", "model": "m1", "truth": {"label": n % 2}} for n in what))
        elif op == "pass":
            world.clock.advance(what)
            world.pump().turn(1000)
            world.desk.deadlines(world.clock.now())
        elif op == "turn":
            world.pump().turn(what)
        elif op == "reload":
            world.load(PACKS[what])
        elif op == "act":
            act(world, what)
        elif disturbed:
            die(world, before_commit=what == "before the commit")
        else:  # the same turns, and nobody dies
            for _ in range(1 if what == "before the commit" else 2):
                world.pump().turn(1000)
        if disturbed and trouble is not None:
            disturb(world, *trouble)
    world.pump().turn(1000)


def act(world: World, what: str) -> None:
    """What people do, to the incident that was opened last."""
    incidents, desk = world.incidents(), world.desk
    with suppress(DeskError):
        if what == "accept":
            desk.accept_reference("m1", None, "the present is fine", "ana", "admin")
        elif what == "retire":
            desk.retire_model("m2", "gone", "ana", "admin")
        elif what == "kind":
            desk.column_kind("m1", "inputs.x", "category", "ana", "admin")
        elif incidents:
            getattr(desk, what)(incidents[0]["id"], "ana", "admin")


def disturb(world: World, op: str, what: Any) -> None:
    bank = world.pump().bank
    if op == "save":
        for name in sorted(what & {*bank.models, INDEX}):
            world.snapshots.write(name, bank.seq, bank.dump(name) if name else bank.dump_index())
        return
    files = sorted((world.folder / "snapshots").rglob("*.snap"))
    if op == "damage" and files:
        path = files[what % len(files)]
        path.write_bytes(path.read_bytes()[:-1])
    world.restart()


def die(world: World, before_commit: bool) -> None:
    """An engine that takes everything there is and dies; its successor does that step again if it is not committed."""
    pump = world.pump()
    if before_commit:
        with Database.open(world.folder / "ledger.db", patience=0.2) as other, other.write(world.clock.now()):
            pump.stop.set()
            pump.database = Database.open(world.folder / "ledger.db", patience=0.0)
            with suppress(Stopped):
                pump.turn(1000)
            pump.database.close()
    else:

        def told(_: Any) -> None:
            raise Death

        pump.told = told
        with suppress(Death):
            pump.turn(1000)
    world.restart().turn(1000)


def steps(world: World) -> list[Any]:
    """The recorded steps, but for who made them; ids of references are drawn at random."""
    plain = [
        [(m.kind, m.at, m.model, m.rule, m.segment, None if m.kind == "reference" else m.body) for m in step.marks]
        for step in world.steps()
    ]
    return [(s.seq, s.first, s.end, s.at, s.book, marks) for s, marks in zip(world.steps(), plain, strict=True)]


@pytest.mark.slow
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(script)
def test_a_life_full_of_deaths_comes_to_the_same_as_a_calm_one(empty_ledger: Path, script: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as folder, heard():
        calm = World(Path(folder) / "calm", empty_ledger, PACK)
        shaken = World(Path(folder) / "shaken", empty_ledger, PACK)
        try:
            live(calm, script, disturbed=False)
            live(shaken, script, disturbed=True)
            assert steps(shaken) == steps(calm)
            assert shaken.decided() == calm.decided()
            assert shaken.standing().totals == calm.standing().totals
            digest = calm.pump().bank.digest()
            assert shaken.pump().bank.digest() == digest
            assert shaken.restart().bank.digest() == digest
            assert shaken.pump().losses == ()
            assert calm.restart().bank.digest() == digest  # from the recorded steps alone
        finally:
            calm.close()
            shaken.close()


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(st.tuples(events, st.sampled_from([1.0, 7.0, 15.0]), st.sampled_from([3, 1000])), min_size=3, max_size=12)
)
def test_recorded_traffic_with_its_recorded_steps_gives_the_same_findings_incidents_and_notices(
    empty_ledger: Path, script: list[Any]
) -> None:
    with tempfile.TemporaryDirectory() as folder, heard():
        world = World(Path(folder) / "home", empty_ledger, PACK)
        try:
            for posted, pause, limit in script:
                world.post(*posted)
                world.clock.advance(pause)
                while world.pump().turn(limit):
                    pass
            bank, view = Bank(0, Book((), "")), View(0)
            findings: list[Any] = []
            for step in world.steps():
                records = world.spool.read_range(0, step.first, step.end)
                seen = observe(bank, step, to_batches(records), world.books)
                findings += seen.findings
                view.absorb(decide(view, bank.book, world.policy, seen, 0, step.seq, step.at))
            live = world.pump()
            assert bank.digest() == live.bank.digest()
            assert findings == [f for done in world.done for f in done.observation.findings]
            assert (view.incidents, view.rule_states) == (live.view.incidents, live.view.rule_states)
            with world.database.read() as connection:
                kept = load_view(connection, 0, world.clock.now())
            assert (kept.incidents, kept.rule_states) == (view.incidents, view.rule_states)
            assert kept.recorded.keys() == view.recorded.keys()
        finally:
            world.close()
