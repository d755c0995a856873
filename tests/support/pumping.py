"""A partition on a real ledger and a real spool, with a clock that stands until moved, for tests of the pump."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import rfc8785
import structlog
from sqlalchemy import select

from monitor.clock import ScriptedClock
from monitor.core.notices.model import Policy, Receiver, Route
from monitor.core.rules.model import Book
from monitor.runtime.books import Shelf
from monitor.runtime.desk import Desk
from monitor.runtime.pump import Done, Pump
from monitor.spool import Flags, Post, Receipt, Spool, id_hash
from monitor.store import rows
from monitor.store.database import Database
from monitor.store.ledger import bump_desk, standing, steps_after, want_mark
from monitor.store.queries import incidents as listed
from monitor.store.snapshots import Snapshots
from monitor.store.tables import audit, evidence, incidents, notices, quarantine, rule_states, wanted_marks

T0 = 1_700_000_100.0  # on the grid of ticks
POLICY = Policy((Receiver("phone"),), (Route(("phone",)),), group_wait=5.0)

PACK = """
pack: tests
models: ["m*"]
rules:
- alert: Low
  share: {of: output.confidence < 0.6, above: 50%, over: 1m, min_events: 2}
  severity: high
- alert: Slow
  count: {of: context.latency_ms > 100, above: 3, over: 2m}
  for: 20s
  severity: medium
- alert: Silent
  absent: {for: 3m}
  severity: high
- alert: Moved
  detect: {shift: inputs.x, with: adwin, delta: 0.01, budget: none}
  severity: high
- alert: Wrong
  share: {of: output.label != truth.label, above: 60%, over: 5m, min_events: 5}
  severity: medium
"""


class World:
    """One home. `pump()` is the engine that has the partition now; `restart()` is another one after a SIGKILL."""

    def __init__(self, folder: Path, ledger: Path, pack: str = PACK, partitions: int = 1) -> None:
        self.folder, self.partitions = folder, partitions
        folder.mkdir(exist_ok=True)
        shutil.copyfile(ledger, folder / "ledger.db")
        self.clock = ScriptedClock(T0)
        self.database = Database.open(folder / "ledger.db", patience=0.2)
        self.spool = Spool.open(folder / "spool", partitions)
        self.done: list[Done] = []
        self.policy = POLICY
        self.sent = 0
        self._pumps: dict[int, Pump] = {}
        self.shelf = Shelf((folder / "rules",), partitions=partitions)
        self.books: Callable[[str], Book] = lambda digest: self.shelf.resolve(self.database, digest)
        self.desk = Desk(self.database, self.clock, self.policy, lambda: self.shelf.current)
        if pack:
            self.load(pack)

    # -- what people and producers do ---------------------------------------------------------------------------

    def load(self, pack: str) -> Book:
        """Put a rule pack in force, as a reload does."""
        path = self.folder / "rules" / "tests" / "pack.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(pack)
        return self.shelf.reload(self.database, self.clock.now(), "signal")

    def post(self, *events: dict[str, Any], kind: str = "events", flags: Flags | None = None, **more: Any) -> Receipt:
        """Spool events; an id and the model `m` where none is given."""
        lines, hashes = [], []
        for event in events:
            self.sent += 1
            whole = {"id": f"e{self.sent}", "model": "m", **event}
            lines.append(json.dumps(whole).encode())
            hashes.append(id_hash(whole["model"], whole["id"]))
        post = Post(kind, lines, hashes if kind == "events" else (), flags=flags or Flags(), **more)  # type: ignore[arg-type]
        return self.spool.append(post.partition, [post], self.clock.now())[0]

    def truth(self, *truths: dict[str, Any]) -> Receipt:
        return self.post(*truths, kind="truth")

    def want(self, **mark: Any) -> int:
        """Ask for a mark, as the desk does."""
        with self.database.write(self.clock.now()) as tx:
            id_ = want_mark(tx, 0, {"at": self.clock.now(), **mark})
            bump_desk(tx)
        return id_

    # -- the engine ---------------------------------------------------------------------------------------------

    @property
    def snapshots(self) -> Snapshots:
        return Snapshots(self.folder / "snapshots" / "0")

    def pump(self, partition: int = 0, **more: Any) -> Pump:
        if partition not in self._pumps:
            snapshots = Snapshots(self.folder / "snapshots" / str(partition))
            reader = Spool.open(self.folder / "spool", self.partitions, write=False)
            self._pumps[partition] = Pump(
                self.database,
                reader,
                snapshots,
                self.clock,
                self.books,
                self.policy,
                partition,
                self.done.append,
                **more,
            )
        return self._pumps[partition]

    def kill(self) -> None:
        """The engine is gone, and what it had in memory with it."""
        while self._pumps:
            self._pumps.popitem()[1].spool.close()

    def restart(self, **more: Any) -> Pump:
        self.kill()
        return self.pump(**more)

    def run(self, seconds: float = 0.0, each: float = 5.0) -> None:
        """Let the clock run, pump and desk turning as they do."""
        end = self.clock.now() + seconds
        self.drain()
        while self.clock.now() < end:
            self.clock.advance(min(each, end - self.clock.now()))
            self.drain()
            self.desk.deadlines(self.clock.now())

    def drain(self) -> None:
        while self.pump().turn():
            pass

    def save(self) -> None:
        """Write snapshots of everything."""
        self.pump().rotation.all()

    def close(self) -> None:
        self.kill()
        self.spool.close()
        self.database.close()

    # -- what there is to see -----------------------------------------------------------------------------------

    def incidents(self, rule: str | None = None) -> list[dict[str, Any]]:
        """The newest first."""
        with self.database.read() as connection:
            return listed(connection, rule=rule)[0]

    def notices(self) -> list[tuple[str, str]]:
        return self.column(notices.c.reason, notices.c.target, order=notices.c.key)

    def entries(self, *kinds: str) -> list[dict[str, Any]]:
        found = self.column(audit.c.kind, audit.c.body, order=audit.c.seq)
        return [json.loads(body)["body"] for kind, body in found if kind in kinds]

    def steps(self, partition: int = 0) -> list[Any]:
        with self.database.read() as connection:
            return steps_after(connection, partition, 0)

    def marks(self, *kinds: str) -> list[Any]:
        return [mark for step in self.steps() for mark in step.marks if mark.kind in kinds]

    def standing(self, partition: int = 0) -> Any:
        with self.database.read() as connection:
            return standing(connection, partition)

    def quarantine(self) -> list[tuple[int, str, str]]:
        return self.column(quarantine.c.offset, quarantine.c.model, quarantine.c.event_id, order=quarantine.c.offset)

    def placed(self) -> list[tuple[str, int | None]]:
        """Wanted marks and the step that placed each."""
        found = self.column(wanted_marks.c.mark, wanted_marks.c.step_seq, order=wanted_marks.c.id)
        return [(rows.from_json(mark)["kind"], seq) for mark, seq in found]

    def column(self, *columns: Any, order: Any) -> list[Any]:
        with self.database.read() as connection:
            found = connection.execute(select(*columns).order_by(order)).all()
        return [tuple(row) if len(columns) > 1 else row[0] for row in found]

    def decided(self) -> bytes:
        """All that deciding has brought about, as canonical JSON."""
        tables = (rule_states, incidents, notices, evidence)
        with self.database.read() as connection:
            found = {
                table.name: sorted(
                    ([_plain(value) for value in row] for row in connection.execute(select(table))), key=repr
                )
                for table in tables
            }
        return rfc8785.dumps(found)


def answers(n: int, confidence: float = 0.9, **more: Any) -> list[dict[str, Any]]:
    """Events of a model that answers as it should."""
    return [
        {"inputs": {"x": 1.0 + (i % 7) / 10}, "output": {"confidence": confidence, "label": i % 2}, **more}
        for i in range(n)
    ]


def said(logs: Iterable[dict[str, Any]], action: str) -> list[str]:
    """The sentences logged under an action."""
    return [entry["event"] for entry in logs if entry.get("action") == action]


def heard() -> Any:
    """What is logged meanwhile: a context that gives the list."""
    return structlog.testing.capture_logs()


def _plain(value: Any) -> Any:
    return value.hex() if isinstance(value, float | bytes) else value


def lines_of(records: Sequence[Any]) -> list[bytes]:
    return [line for record in records for line in record.payload.split(b"\n")]
