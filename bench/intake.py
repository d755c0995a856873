"""What intake takes, `python -m bench.intake`: durable posts through a front process on loopback, durability on.

The generator of the load is a process of its own and takes part of a core, so each figure in events a second has one
beside it in events per second of the front's own processor time: on a machine with other work that is the honest one.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from prometheus_client import generate_latest

from bench.events import lines as make_lines
from bench.intake_front import Site, alone, working
from bench.intake_load import Load, run
from monitor.cli.http import Daemon
from monitor.telemetry.registry import Registry

Row = dict[str, Any]
BYTES = 599  # of an event, about
CPU = "events/CPU-s of the front"
A_POST = 1_000
CONNECTIONS = 64
POOL = 20_000  # different events; their ids differ each time they are sent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", choices=sorted(FIGURES), nargs="+", default=list(FIGURES))
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    rows = [row for name in asked.only for row in FIGURES[name](asked.runs)]
    for row in rows:
        print(f"{row['name']:<36} {row['value']:>12,} {row['unit']:<24} {row['ratio']:>6} x {row['baseline']:,}")
    if asked.out is not None:
        asked.out.write_text(json.dumps(rows, indent=2))


def large_posts(runs: int = 5, events: int = 300_000) -> list[Row]:
    """Events a second in posts of a thousand over four connections."""
    lines = events_of(POOL)
    loads = [_measured(lines, connections=4, a_post=A_POST, posts=events // A_POST) for _ in range(runs)]
    return [
        _row("intake_posts_of_1000", "events/s", 250_000, [load.accepted / load.seconds for load, _ in loads]),
        _row("intake_posts_of_1000_by_cpu", CPU, 250_000, [a.accepted / cpu for a, cpu in loads]),
    ]


def single_events(runs: int = 5, events: int = 40_000) -> list[Row]:
    """Events a second in posts of one over 64 connections, and what an fsync took meanwhile."""
    lines = events_of(POOL)
    syncs, loads = [], []
    for _ in range(runs):
        syncs.append(fsync_p50())
        loads.append(_measured(lines, connections=CONNECTIONS, a_post=1, posts=events))
    return [
        _row("intake_single_events", "events/s", 12_000, [load.accepted / load.seconds for load, _ in loads]),
        _row("intake_single_events_by_cpu", CPU, 12_000, [a.accepted / cpu for a, cpu in loads]),
        _row(
            "intake_single_events_p99",
            "ms",
            100,
            [load.latencies[len(load.latencies) * 99 // 100] for load, _ in loads],
        ),
        _row("fsync_p50", "ms", 0.13, syncs),
    ]


def single_events_beside_engine(runs: int = 5, events: int = 20_000, before: int = 400_000) -> list[Row]:
    """The same while the engine works off events that were posted just before."""
    lines = events_of(POOL)
    loads = []
    for _ in range(runs):
        with working() as site:
            with site.engine_stopped():
                _load(site, lines, connections=4, a_post=A_POST, posts=before // A_POST)
            used = site.cpu()
            loads.append(
                (_load(site, _renamed(lines), connections=CONNECTIONS, a_post=1, posts=events), site.cpu() - used)
            )
            waiting = Daemon(f"http://127.0.0.1:{site.port}", site.home).get("/v1/accounting")["waiting"]
            assert waiting > 0, "The engine was done before the load was, so it did not work beside it all the time."
    return [
        _row(
            "intake_single_events_engine_busy", "events/s", 8_000, [load.accepted / load.seconds for load, _ in loads]
        ),
        _row("intake_single_events_engine_busy_by_cpu", CPU, 8_000, [load.accepted / cpu for load, cpu in loads]),
    ]


def scrape(runs: int = 5, series: int = 10_000) -> list[Row]:
    """Milliseconds of a thread that writing all series takes when every one of them has moved, and the library's."""
    registry = Registry()
    counters = [registry.counter(f"bench_{number}", "Counts.", ["model"]) for number in range(10)]
    children = [counter.labels(f"model-{number}") for counter in counters for number in range(series // 10)]
    ours, library = [], []
    for _ in range(runs + 1):
        for child in children:
            child.inc(1.5)
        ours.append(_thread_ms(registry.exposition))
        library.append(_thread_ms(lambda: generate_latest(registry.collectors)))
    return [
        _row("scrape_10000_series", "ms", 10, ours[1:]),  # the first makes what the others keep
        _row("scrape_10000_series_prometheus_client", "ms", 10, library[1:]),
    ]


def new_connections(runs: int = 1, rate: int = 2_000, seconds: float = 60.0) -> list[Row]:
    """New connections a second, each with one event: how many are answered, none refused and none lost."""
    lines = events_of(POOL)
    loads = [_measured(lines, rate=rate, seconds=seconds) for _ in range(min(runs, 1))]
    for load, _ in loads:
        assert load.accepted == rate * seconds, (load.statuses, load.failed)
        assert load.late < 1.0, f"The generator fell {load.late:.1f} s behind, so this says nothing of the front."
    return [
        _row("intake_new_connections", "events/s", rate, [load.accepted / load.seconds for load, _ in loads]),
        _row("intake_new_connections_by_cpu", CPU, rate, [a.accepted / cpu for a, cpu in loads]),
        _row(
            "intake_new_connections_p99",
            "ms",
            100,
            [load.latencies[len(load.latencies) * 99 // 100] for load, _ in loads],
        ),
    ]


def disk(runs: int = 1, events: int = 200_000) -> list[Row]:
    """Bytes an event on the disk, hashes of ids and indexes included, once the segments are closed."""
    found: dict[str, list[float]] = {"intake_disk": [], "intake_disk_full_floats": []}
    for _ in range(min(runs, 1)):
        for name, full in (("intake_disk", False), ("intake_disk_full_floats", True)):
            with alone() as site:
                load = _load(site, events_of(events, full), connections=4, a_post=A_POST, posts=events // A_POST)
                size = sum(path.stat().st_size for path in (site.home / "spool").rglob("*.db"))
                found[name].append(size / load.accepted)
    return [_row(name, "B/event", {"intake_disk": 150}.get(name, 220), each) for name, each in found.items()]


def events_of(count: int, full: bool = False) -> list[bytes]:
    """Lines of `BYTES`; `full`: with numbers of as many digits as a double has."""
    lines = make_lines(count, secrets.randbits(32))
    if full:
        draw = secrets.SystemRandom()
        for row, line in enumerate(lines):
            event = json.loads(line)
            event["inputs"] |= {name: draw.gauss(0.0, 1.0) for name in event["inputs"] if name.startswith("x")}
            event["output"]["confidence"] = event["output"]["score"]
            lines[row] = json.dumps(event).encode()
        return lines
    short = BYTES - sum(map(len, lines)) // len(lines)
    filler = b"x" * max(short - len(b', "pad": ""'), 0)
    return [line.replace(b'"host": ', b'"pad": "%s", "host": ' % filler) for line in lines] if short > 0 else lines


def fsync_p50(times: int = 200) -> float:
    """Milliseconds that appending 4 kB durably takes on the disk of temporary files."""
    taken = []
    with tempfile.NamedTemporaryFile() as file:
        for _ in range(times):
            os.write(file.fileno(), bytes(4096))
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            taken.append(1e3 * (time.perf_counter() - began))
    return statistics.median(taken)


def _renamed(lines: list[bytes]) -> list[bytes]:
    """The same events with other ids."""
    return [line.replace(b'"id": "bench-', b'"id": "bench-again-') for line in lines]


def _thread_ms(write: Callable[[], object]) -> float:
    began = time.thread_time()
    write()
    return 1e3 * (time.thread_time() - began)


def _measured(lines: list[bytes], **how: Any) -> tuple[Load, float]:
    """A load on a front of its own, and the processor time that the front took for it."""
    with alone() as site:
        before = site.cpu()
        load = _load(site, lines, **how)
        return load, site.cpu() - before


def _load(site: Site, lines: list[bytes], **how: Any) -> Load:
    load = run(site.port, site.head(), lines, **how)
    assert set(load.statuses) == {"202"} and not load.duplicates and not load.failed, (load.statuses, load.failed)
    return load


def _row(name: str, unit: str, target: float, runs: Iterable[float]) -> Row:
    values = [float(f"{value:.4g}") for value in runs]
    value = statistics.median(values)
    return {
        "name": name,
        "value": value,
        "unit": unit,
        "baseline": target,
        "ratio": round(value / target, 2),
        "runs": values,
    }


FIGURES: dict[str, Callable[[int], list[Row]]] = {
    "large": large_posts,
    "single": single_events,
    "busy": single_events_beside_engine,
    "scrape": scrape,
    "connections": new_connections,
    "disk": disk,
}

if __name__ == "__main__":
    main()
