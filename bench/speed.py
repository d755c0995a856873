"""`make bench`: events a second through the pump and through HTTP, as ratios to a raw River loop over the same events.

The three run one after the other on the same machine, several times over; medians and ratios are printed. Nothing is
measured with durability off: the pump's time runs from opening a closed spool to the commit of the last cursor.
"""

from __future__ import annotations

import argparse
import hashlib
import http.client
import json
import platform
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from bench import raw_river
from bench.events import lines as make_lines
from monitor.app.home import Home, fill, make
from monitor.cli.http import Daemon
from monitor.clock import Clock
from monitor.core.notices.model import Policy
from monitor.runtime.books import Shelf
from monitor.runtime.pace import Done
from monitor.runtime.pump import Pump
from monitor.spool import Flags, Post, Spool, id_hash
from monitor.store.snapshots import Snapshots

PACK = Path(__file__).parent / "pack"
DELTA = 0.00001
POST = 1000  # events in a post
STEP = 5_000  # events in a step: more than one commit in 100 ms


@dataclass
class Figures:
    """Events a second of each run."""

    river: list[float] = field(default_factory=list)
    pump: list[float] = field(default_factory=list)
    http: list[float] = field(default_factory=list)
    steps: int = 0
    incidents: int = 0
    findings: set[str] = field(default_factory=set)  # sha256 of the pump's findings, of each run
    synchronous: int = 0  # of the ledger, as read back: 2 is FULL
    drifts: int = 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=50_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    seed = secrets.randbits(32)
    lines = make_lines(asked.events, seed)
    size = sum(map(len, lines)) / len(lines)
    print(f"{asked.events:,} events of {size:.0f} bytes, seed {seed}, {asked.runs} runs each", flush=True)
    figures = Figures()
    for number in range(asked.runs):
        seconds, drifts = raw_river.run(lines, DELTA)
        figures.river.append(len(lines) / seconds)
        figures.pump.append(pump(lines, figures))
        figures.http.append(through_http(lines))
        figures.drifts = len(drifts)
        if number == 0:
            pump(lines, figures, STEP // 7)  # other batches, the same findings
        print(f"  run {number + 1}: " + ", ".join(f"{n} {v[-1]:,.0f}/s" for n, v in _named(figures)), flush=True)
    report(figures, asked.out, seed)


def pump(lines: list[bytes], figures: Figures, limit: int = STEP) -> float:
    """Events a second from spooled bytes to the committed decision."""
    found: list[str] = []

    def note(done: Done) -> None:
        found.extend(f"{f.rule} {f.version} {f.evidence}" for f in done.observation.findings)

    with tempfile.TemporaryDirectory() as folder:
        home = make(Path(folder))
        fill(home)
        _spool(home, lines)
        clock = Clock(home.path)
        with home.database() as database:
            shelf = Shelf((PACK,))
            book, source, _ = shelf.load()
            shelf.install(database, clock.now(), "bench", book, source)
            books, snapshots = partial(shelf.resolve, database), Snapshots(home.snapshots / "0")
            began = time.perf_counter()
            spool = Spool.open(home.spool, write=False)
            engine = Pump(database, spool, snapshots, clock, books, Policy(), told=note)
            while engine.turn(limit):
                pass
            seconds = time.perf_counter() - began
            figures.steps = engine.seq
            figures.incidents = len(engine.view.incidents)
            figures.findings.add(hashlib.sha256("\n".join(sorted(found)).encode()).hexdigest())
            with database.write(clock.now()) as writing:
                figures.synchronous = writing.connection.exec_driver_sql("PRAGMA synchronous").scalar_one()
            assert engine.totals["observed"] == len(lines), engine.totals
    return len(lines) / seconds


def _spool(home: Home, lines: list[bytes]) -> None:
    with Spool.open(home.spool) as spool:
        for start in range(0, len(lines), POST):
            part = lines[start : start + POST]
            hashes = [id_hash("bench", json.loads(line)["id"]) for line in part]
            spool.append(0, [Post("events", part, hashes, flags=Flags())], 1.7e9 + start / 1e3)


def through_http(lines: list[bytes]) -> float:
    """Events a second from the first post to the last event observed, through a running daemon."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "monitor.cli", "run", "--home", folder, "--listen", "127.0.0.1:8431"]
        daemon = Daemon("http://127.0.0.1:8431", Path(folder))
        with subprocess.Popen([*command, "--rules", str(PACK)], stderr=subprocess.DEVNULL) as process:
            try:
                daemon.wait_ready(60.0, process)
                bodies = [b"\n".join(lines[i : i + POST]) for i in range(0, len(lines), POST)]
                began = time.perf_counter()
                _post(daemon, bodies)
                while daemon.get("/v1/accounting")["observed"] < len(lines):
                    time.sleep(0.02)
                return len(lines) / (time.perf_counter() - began)
            finally:
                process.terminate()


def _post(daemon: Daemon, bodies: list[bytes]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", 8431)
    for body in bodies:
        connection.request("POST", "/v1/events", body, {"Authorization": f"Bearer {daemon.token}"})
        answer = connection.getresponse()
        text = answer.read()
        assert answer.status == 202, text


def report(figures: Figures, out: Path | None, seed: int) -> None:
    """Print medians and ratios; write them as JSON if asked to."""
    base = statistics.median(figures.river)
    rows = [
        {"name": name, "value": round(statistics.median(values)), "unit": "events/s", "baseline": round(base),
         "ratio": round(statistics.median(values) / base, 2), "runs": [round(v) for v in values]}
        for name, values in _named(figures)
    ]  # fmt: skip
    for row in rows:
        print(f"{row['name']:<28} {row['value']:>10,} events/s   {row['ratio']:>5.2f} x the raw River loop")
    print(
        f"the pump committed {figures.steps} steps (PRAGMA synchronous {figures.synchronous}) and opened "
        f"{figures.incidents} incidents; River found {figures.drifts} drifts; Python {platform.python_version()}"
    )
    (findings,) = figures.findings  # whatever the run and however it was cut into batches
    print(f"findings {findings[:16]}, in every run and with batches of a seventh")
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps({"seed": seed, "rows": rows}, indent=2))


def _named(figures: Figures) -> list[tuple[str, list[float]]]:
    return [("raw_river", figures.river), ("pump_vs_river", figures.pump), ("http_to_observed", figures.http)]


if __name__ == "__main__":
    main()
