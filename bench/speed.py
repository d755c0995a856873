"""`make bench-speed`: what the daemon takes and costs, beside a raw River loop or a target; one group of rows a module.

The results go to `bench/results/speed.json` and from there to `docs/performance.md`, so that no figure on that page
was typed by anybody. Nothing is measured with durability off. `--short` is what CI runs: the pump's row alone.
"""

from __future__ import annotations

import argparse
import secrets
import sys
from collections.abc import Callable
from pathlib import Path

from bench import curves, engines, footprint, intake, latency, page, pump, shares
from bench import results as kept
from bench.results import Row

LEAST = 2.5  # times the raw River loop, below which the short form fails
INTAKE = ("large", "single", "busy")  # of the figures of `bench.intake`: what a post costs the front
COMMITS = 10.0  # a second, at least: one per 100 ms
Group = Callable[[argparse.Namespace, int], list[Row]]
GROUPS: dict[str, Group] = {
    "pump": lambda asked, seed: pump.rows(asked.events, asked.runs, seed),
    "engines": lambda asked, seed: engines.rows(2 * asked.events, asked.runs, seed),
    "shares": lambda asked, seed: shares.rows(asked.events, asked.runs, seed),
    "intake": lambda asked, seed: [row for name in INTAKE for row in intake.FIGURES[name](asked.runs)],
    "latency": lambda asked, seed: latency.rows(asked.samples, asked.rate, seed),
    "memory": lambda asked, seed: footprint.memory(asked.memory_events, seed),
    "empty": lambda asked, seed: footprint.idle_and_start(1, seed, asked.runs),
    "many": lambda asked, seed: footprint.idle_and_start(1000, seed, asked.runs),
    "commands": lambda asked, seed: footprint.commands(asked.runs),
    "curves": lambda asked, seed: curves.rows(asked.runs, 10_000),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=sorted(GROUPS), default=list(GROUPS))
    parser.add_argument("--short", action="store_true", help="only what CI holds, with fewer events")
    parser.add_argument("--events", type=int, default=100_000, help="through the pump, in each run")
    parser.add_argument("--memory-events", type=int, default=10_000_000)
    parser.add_argument("--samples", type=int, default=40, help="events whose notice is waited for")
    parser.add_argument("--rate", type=int, default=5_000, help="other events a second meanwhile")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--out", type=Path, default=kept.FILE)
    asked = parser.parse_args()
    if asked.short:
        asked.only, asked.events, asked.runs = ["pump"], min(asked.events, 30_000), 3
    seed = secrets.randbits(32)
    print(f"seed {seed}", flush=True)
    for name in asked.only:
        rows = [{**one, "load": kept.machine()["load"]} for one in GROUPS[name](asked, seed)]
        print(kept.table(rows), flush=True)
        if asked.short:
            sys.exit("\n".join(wrong(rows[0])) or 0)
        kept.write(rows, asked.out)
    page.write(kept.read(asked.out))


def wrong(row: Row, least: float = LEAST) -> list[str]:
    """In sentences: what the row of the pump does not hold."""
    found = []
    if row["cpu_ratio"] < least:
        found.append(
            f"In a second of the processor the pump takes {row['cpu_ratio']} times what the raw River loop takes, and "
            f"{least} are due."
        )
    if row["commits_a_second"] < COMMITS:
        found.append(f"The pump committed {row['commits_a_second']} times a second, and {COMMITS:g} are due.")
    if row["synchronous"] < 2:
        found.append(f"The ledger was written with PRAGMA synchronous = {row['synchronous']}: it must be FULL (2).")
    if row["incidents"] < 1:
        found.append("No incident was opened, though a column moved.")
    if not row["findings_equal"]:
        found.append(f"The findings (sha256 {row['findings_sha256']}) are not those of River's scalar detectors.")
    return found


if __name__ == "__main__":
    main()
