"""What a daemon costs that has nothing to do, or has done much: memory, idle, start, and the command line."""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from bench.daemon import Running, running
from bench.fleet import bodies
from bench.results import Row, row

MB, CORE, START, COMMAND, SLOPE = 250.0, 0.5, 3.0, 300.0, 1.0  # the targets
FLAT = 10  # looks from which a slope says something


def memory(events: int, seed: int, models: int = 10, columns: int = 20) -> list[Row]:
    """All processes under the packs that come along, Pss: what they share is counted once."""
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as daemon:
        looks = []
        for number, body in enumerate(bodies(models, columns, events, seed), 1):
            daemon.post([body])
            if number % max(1, events // 10_000) == 0:
                daemon.wait_observed(1000 * number)
                looks.append(sum(daemon.memory().values()))
        daemon.wait_observed(events)
        by_process, rss = daemon.memory(), sum(daemon.memory("Rss").values())
    told = {"models": models, "columns": columns, "events": events, "rss": round(rss)}
    told["by_process"] = {name: round(size) for name, size in by_process.items()}
    told["looks"] = [round(one) for one in looks]  # on the way
    rows = [row("memory_of_all_processes", "MB (Pss)", [max(*looks, sum(by_process.values()))], MB, **told)]
    if len(looks) >= FLAT:
        half = looks[len(looks) // 2 :]
        slope = float(np.polyfit(np.linspace(0.0, events / 2e6, len(half)), half, 1)[0])
        rows.append(row("memory_slope_of_the_second_half", "MB a million events", [slope], SLOPE, events=events))
    return rows


def idle_and_start(models: int, seed: int, runs: int, seconds: float = 60.0) -> list[Row]:
    """Idle after a start with so many models restored, and how long such a start takes until it is ready."""
    with tempfile.TemporaryDirectory() as folder:
        with running(Path(folder)) as daemon:
            daemon.post(list(bodies(models, 20, 10 * models, seed)))
            daemon.wait_observed(10 * models)
        starts, idles = [], []
        for number in range(runs):
            with running(Path(folder)) as daemon:
                starts.append(daemon.ready)
                if number < max(1, runs // 2):
                    idles.append(_idle(daemon, seconds))
    return [
        row(f"idle_with_{models}_models", "% of a core", idles, CORE, models=models, seconds=seconds),
        row(f"start_with_{models}_models", "s", starts, START, models=models),
    ]


def _idle(daemon: Running, seconds: float) -> float:
    time.sleep(15.0)  # what a start leaves to do
    began, used = time.monotonic(), daemon.cpu()
    time.sleep(seconds)
    return 100.0 * (daemon.cpu() - used) / (time.monotonic() - began)


def commands(runs: int) -> list[Row]:
    """`overloop incident list` against a daemon that runs, and `overloop --help`."""
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)):
        return [
            _command("incident_list", ["--home", folder, "incident", "list"], runs),
            _command("help", ["--help"], runs),
        ]


def _command(name: str, words: list[str], runs: int) -> Row:
    taken, cpu = [], []
    for _ in range(runs):
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run([sys.executable, "-m", "monitor.cli", *words], stdout=subprocess.DEVNULL, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        taken.append(1e3 * (time.perf_counter() - began))
        cpu.append(1e3 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime))
    return row(f"command_{name}", "ms", taken, COMMAND, cpu_ms=[round(one) for one in cpu])
