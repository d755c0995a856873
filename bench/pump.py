"""The pump beside a raw River loop: from opening a closed spool to the commit of the last cursor."""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from pathlib import Path

import numpy as np
from sqlalchemy import text

from bench import raw_river
from bench.events import lines as make_lines
from bench.results import Row, machine, row
from monitor.app.home import Home, fill, make
from monitor.clock import Clock
from monitor.core.findings import Finding
from monitor.core.notices.model import Policy
from monitor.runtime.books import Shelf
from monitor.runtime.pace import Done
from monitor.runtime.pump import Pump
from monitor.spool import Flags, Post, Spool, id_hash
from monitor.store.snapshots import Snapshots

PACK = Path(__file__).parent / "pack"
DELTA = 0.00001  # of the pack's ADWINs
POST = 1000  # events in a post
FIRST, STEP = 1_000, 0.06  # events of the first step, and seconds of work in each of the others
T0 = 1.7e9
DRIFTS = ("bench/InputShift", "bench/ConfidenceShift")


@dataclass
class Run:
    """One run of the pump."""

    seconds: float = 0.0
    cpu: float = 0.0  # seconds of processor time
    commits: int = 0
    synchronous: int = 0
    incidents: int = 0
    findings: list[Finding] = field(default_factory=list)

    def heard(self, done: Done) -> None:
        self.findings += done.observation.findings


def rows(events: int, runs: int, seed: int) -> list[Row]:
    """`pump_vs_river`: each run of one follows a run of the other, over the same events."""
    lines = make_lines(events, seed)
    river, pumped, cpu, plain = list[float](), list[Run](), list[float](), ""
    for _ in range(runs):
        used = time.process_time()
        seconds, found = raw_river.run(lines, DELTA)
        cpu.append(time.process_time() - used)
        river.append(len(lines) / seconds)
        plain = digest(found)
        pumped.append(pump(lines))
    last, digests = pumped[-1], [digest(drifts(one.findings, lines)) for one in pumped]
    told = {
        "seed": seed,
        "events": events,
        "bytes_an_event": round(sum(map(len, lines)) / len(lines)),
        "cpu_ratio": round(statistics.median(one / two.cpu for one, two in zip(cpu, pumped, strict=True)), 2),
        "cpu_us_an_event": [round(1e6 * one.cpu / events, 2) for one in pumped],
        "cpu_us_an_event_raw": [round(1e6 * one / events, 2) for one in cpu],
        "commits": last.commits,
        "commits_a_second": round(min(one.commits / one.seconds for one in pumped), 1),
        "synchronous": last.synchronous,
        "incidents": last.incidents,
        "findings_sha256": digests[-1],
        "scalar_sha256": plain,
        "findings_equal": all(one == plain for one in digests),
        "baseline_sha256": sha256(Path(raw_river.__file__).read_bytes()).hexdigest(),
        "baseline_runs": [round(one) for one in river],
        "machine": machine(),
    }
    return [
        row("pump_vs_river", "events/s", [len(lines) / one.seconds for one in pumped], sorted(river)[runs // 2], **told)
    ]


def pump(lines: Sequence[bytes]) -> Run:
    """Steps are cut so that there are at least ten commits a second, as the daemon cuts them when it keeps up."""
    found = Run()
    with tempfile.TemporaryDirectory() as folder:
        home = make(Path(folder))
        fill(home)
        spooled(home, lines)
        clock = Clock(home.path)
        with home.database() as database:
            shelf = Shelf((PACK,))
            book, source, _ = shelf.load()
            shelf.install(database, clock.now(), "bench", book, source)
            began, used = time.perf_counter(), time.process_time()
            spool = Spool.open(home.spool, write=False)
            snapshots, books = Snapshots(home.snapshots / "0"), partial(shelf.resolve, database)
            engine = Pump(database, spool, snapshots, clock, books, Policy(), told=found.heard)
            limit = FIRST
            while engine.turn(limit=limit):
                rate = engine.totals["observed"] / (time.perf_counter() - began)
                limit = max(FIRST, int(rate * STEP))
            found.seconds, found.cpu = time.perf_counter() - began, time.process_time() - used
            found.commits, found.incidents = engine.seq, len(engine.view.incidents)
            with database.write(clock.now()) as tx:
                found.synchronous = int(tx.connection.execute(text("PRAGMA synchronous")).scalar() or 0)
            if engine.totals["observed"] != len(lines):
                raise RuntimeError(f"The pump observed {engine.totals} of {len(lines):,} events.")
    return found


def spooled(home: Home, lines: Sequence[bytes]) -> None:
    """The events on the disk, and the spool closed."""
    with Spool.open(home.spool) as spool:
        for start in range(0, len(lines), POST):
            part = list(lines[start : start + POST])
            hashes = [id_hash("bench", json.loads(line)["id"]) for line in part]
            spool.append(0, [Post("events", part, hashes, flags=Flags())], T0 + start / 1e3)


def digest(found: Iterable[tuple[str, int]]) -> str:
    """Of drifts as (column, number of the event at which it was found)."""
    return sha256(json.dumps(sorted(found)).encode()).hexdigest()


def drifts(findings: Sequence[Finding], lines: Sequence[bytes]) -> list[tuple[str, int]]:
    """The drifts that the pump found, by column and event.

    A finding says how many values lie behind the change and their mean; of the events of its post, the one at which
    it was found is the one up to which they have that mean.
    """
    found = []
    for one in (finding.evidence for finding in findings if finding.rule in DRIFTS):
        side, name = one.column.split(".")
        values = np.array([json.loads(line)[side][name] for line in lines])
        sums = np.concatenate([[0.0], np.cumsum(values)])
        start = round((one.at - T0) * 1e3)
        ends = np.arange(max(start, one.n - 1), min(start + POST, len(lines)))
        means = (sums[ends + 1] - sums[ends + 1 - one.n]) / one.n
        off = np.abs(means - (one.value or 0.0))
        found.append((name, int(ends[off.argmin()]) if len(off) and off.min() < 1e-9 else -1))
    return found
