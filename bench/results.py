"""Rows of results: made, kept as JSON, printed as a table."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

Row = dict[str, Any]  # name, value, unit, baseline, ratio, runs, and what else belongs to the row
FILE = Path(__file__).parent / "results" / "speed.json"
LIBRARIES = ("river", "numpy", "msgspec", "SQLAlchemy", "fastapi", "uvicorn", "apprise")


def row(name: str, unit: str, runs: Sequence[float], baseline: float, **more: Any) -> Row:
    """The median of the runs beside a baseline: what else was measured, or the target."""
    value = statistics.median(runs)
    head = {"name": name, "value": _short(value), "unit": unit, "baseline": _short(baseline)}
    return head | {"ratio": round(value / baseline, 3), "runs": [_short(run) for run in runs], **more}


def machine() -> dict[str, Any]:
    """Where and with what: for the first row of a file."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "processors": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
        "commit": commit.stdout.strip() or None,
        "libraries": {name: version(name) for name in LIBRARIES},
    }


def write(rows: Sequence[Row], file: Path = FILE) -> None:
    """Keep the rows; rows of other names that the file holds stay, behind them."""
    names = {one["name"] for one in rows}
    kept = [one for one in read(file) if one["name"] not in names]
    both = sorted([*rows, *kept], key=lambda one: one["name"] != "pump_vs_river")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(both, indent=1) + "\n")


def read(file: Path = FILE) -> list[Row]:
    found: list[Row] = json.loads(file.read_text()) if file.exists() else []
    return found


def table(rows: Sequence[Row]) -> str:
    """For a terminal."""
    return "\n".join(
        f"{one['name']:<34} {one['value']:>12,} {one['unit']:<22} {one['ratio']:>8} x {one['baseline']:,}"
        for one in rows
    )


def _short(value: float) -> float:
    """Four digits that mean something."""
    return round(value) if abs(value) >= 1000 else float(f"{value:.4g}")
