"""Two engine processes beside one: the same events of two models, in two partitions of one ledger or in one."""

from __future__ import annotations

import json
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from multiprocessing.connection import Connection
from pathlib import Path

from bench.events import lines as make_lines
from bench.pump import DRIFTS, FIRST, PACK, POST, STEP, T0
from bench.results import Row, row
from monitor.app.home import Home, fill, make
from monitor.clock import Clock
from monitor.core.notices.model import Policy
from monitor.runtime.books import Shelf
from monitor.runtime.pace import Done
from monitor.runtime.pump import Pump
from monitor.spool import Post, Spool, id_hash, partition_of
from monitor.store.snapshots import Snapshots

MODELS = [next(f"bench-{i}" for i in range(99) if partition_of(f"bench-{i}", 2) == p) for p in (0, 1)]
Drift = tuple[str, str, int, float | None]  # model, column, values behind it, their mean
DUE = 1.8  # times one process
WARM = 4  # posts that are observed before the time runs, so that all code is loaded and every model known


@dataclass(frozen=True, slots=True)
class Run:
    """What one process did once it was warm, or several together: monotonic time, seconds, events."""

    began: float
    ended: float
    cpu: float
    waited: float  # for the ledger's lock
    commits: int
    observed: int
    drifts: list[Drift]

    @property
    def seconds(self) -> float:
        return self.ended - self.began

    @property
    def rate(self) -> float:
        return self.observed / self.seconds

    @property
    def cost(self) -> float:
        """Of processor time, seconds an event."""
        return self.cpu / self.observed


def rows(events: int, runs: int, seed: int) -> list[Row]:
    """`two_processes`: each run of two follows a run of one, over the same events."""
    streams = {model: _of(model, make_lines(events // 2, seed + i)) for i, model in enumerate(MODELS)}
    one, two = list[Run](), list[Run]()
    for _ in range(runs):
        one.append(_engines(streams, 1))
        two.append(_engines(streams, 2))
    digests = [{_digest(run) for run in found} for found in (one, two)]
    told = {
        "seed": seed,
        "events": events,
        "baseline_runs": [round(run.rate) for run in one],
        "due": DUE,
        "cpu_ratio": round(statistics.median(b.cost / a.cost for a, b in zip(one, two, strict=True)), 3),
        "processors_got": [round(run.cpu / run.seconds, 2) for run in two],
        "waited_share": round(statistics.median(run.waited / (2 * run.seconds) for run in two), 4),
        "commits": two[-1].commits,
        "findings_sha256": _digest(two[-1]),
        "findings_equal": digests[0] == digests[1] and len(digests[0]) == 1,
    }
    baseline = statistics.median(run.rate for run in one)
    return [row("two_processes", "events/s", [run.rate for run in two], baseline, **told)]


def _of(model: str, lines: Sequence[bytes]) -> list[bytes]:
    return [line.replace(b'"model": "bench"', b'"model": "%b"' % model.encode()) for line in lines]


def _digest(run: Run) -> str:
    return sha256(json.dumps(run.drifts).encode()).hexdigest()


def _engines(streams: dict[str, list[bytes]], engines: int) -> Run:
    """As many processes, each with the one partition it has; they begin when all are ready to."""
    with tempfile.TemporaryDirectory() as folder:
        home = make(Path(folder))
        fill(home)
        _spooled(home, streams, engines)
        shelf = Shelf((PACK,), partitions=engines)
        book, source, _ = shelf.load()
        with home.database() as database:
            shelf.install(database, Clock(home.path).now(), "bench", book, source)
        spawn = multiprocessing.get_context("spawn")
        lines = [spawn.Pipe() for _ in range(engines)]
        children = [spawn.Process(target=_engine, args=(home, p, engines, lines[p][1])) for p in range(engines)]
        for child in children:
            child.start()
        for here, _ in lines:
            here.recv()
        for here, _ in lines:
            here.send("go")
        done: list[Run] = [here.recv() for here, _ in lines]
        for child in children:
            child.join()
    return Run(
        min(run.began for run in done),
        max(run.ended for run in done),
        sum(run.cpu for run in done),
        sum(run.waited for run in done),
        sum(run.commits for run in done),
        sum(run.observed for run in done),
        sorted(drift for run in done for drift in run.drifts),
    )


def _spooled(home: Home, streams: dict[str, list[bytes]], partitions: int) -> None:
    """Posts of the models in turn, each into the partition of its model."""
    with Spool.open(home.spool, partitions) as spool:
        for start in range(0, max(map(len, streams.values())), POST):
            for model, lines in streams.items():
                part = lines[start : start + POST]
                hashes = [id_hash(model, json.loads(line)["id"]) for line in part]
                spool.append(partition_of(model, partitions), [Post("events", part, hashes)], T0 + start / 1e3)


def _engine(home: Home, partition: int, partitions: int, line: Connection) -> None:
    """The process of one engine: opens its partition, observes a few posts, and all others once it is told to."""
    drifts = list[Drift]()

    def heard(done: Done) -> None:
        found = [(f.model, f.evidence) for f in done.observation.findings if f.rule in DRIFTS]
        drifts.extend((model, seen.column, seen.n, seen.value) for model, seen in found)

    def owns(model: str) -> bool:
        return partition_of(model, partitions) == partition

    with home.database() as database, Spool.open(home.spool, partitions, write=False) as spool:
        books = partial(Shelf((PACK,), partitions=partitions).resolve, database)
        snapshots, clock = Snapshots(home.snapshots / str(partition)), Clock(home.path)
        pump = Pump(database, spool, snapshots, clock, books, Policy(), partition, heard, owns=owns)
        for _ in range(WARM):
            pump.turn(limit=POST)
        seq, observed, waited, limit = pump.seq, pump.totals["observed"], database.waited, FIRST
        line.send("warm")
        line.recv()
        began, cpu = time.monotonic(), time.process_time()
        while pump.turn(limit=limit):
            limit = max(FIRST, int((pump.totals["observed"] - observed) / (time.monotonic() - began) * STEP))
        ended, spent = time.monotonic(), time.process_time() - cpu
        if pump.cursor != spool.end(partition):
            raise RuntimeError(f"Partition {partition} was observed up to {pump.cursor}, not {spool.end(partition)}.")
        seen = pump.totals["observed"] - observed
        line.send(Run(began, ended, spent, database.waited - waited, pump.seq - seq, seen, drifts))
