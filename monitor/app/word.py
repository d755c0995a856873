"""What each engine tells the front of itself: a small file that is replaced about once a second."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from monitor.app.lineage import lives
from monitor.runtime.pace import boottime

SILENT = 10.0  # seconds without a word after which the engine does not count as ready
SUMMED = ("unwatched", "unplaced", "detectors_disabled")
EACH = ("pid", "ready", "turns", "began", "waiting", "partitions")  # of what is told of every engine by itself


def leave(run: Path, word: dict[str, Any], number: int = 0) -> None:
    """Leave word in the folder `run`. A full disk costs the front our word, not the engine its life."""
    path = _path(run, number)
    draft = path.with_suffix(".tmp")
    with contextlib.suppress(OSError):
        draft.write_text(json.dumps({**word, "boottime": boottime()}))
        draft.replace(path)


def last(run: Path, engines: int = 1) -> dict[str, Any]:
    """The last word of all engines; `ready` only if each spoke lately and its process is still there.

    More than one speak as one: as far as the one that is furthest behind, with all that each has lost and refused.
    What only the first knows is as that one says. `engines` then has a part of each word by itself.
    """
    words = [last_of(run, number) for number in range(engines)]
    return words[0] if engines == 1 else _together(words)


def last_of(run: Path, number: int) -> dict[str, Any]:
    """The last word of one engine."""
    try:
        word: dict[str, Any] = json.loads(_path(run, number).read_text())
    except (OSError, ValueError):
        return {"ready": False}
    age = boottime() - word.pop("boottime", 0.0)
    return {**word, "ready": bool(word.get("ready")) and 0.0 <= age < SILENT and lives(word.get("pid", 0))}


def hindered(word: dict[str, Any]) -> str | None:
    """What an engine waits for that it should have: "ledger" or "spool"."""
    waits = str(word.get("waiting") or "").split(", ")
    return next((what for what in ("ledger", "spool") if what in waits), None)


def forget(run: Path) -> None:
    """Nobody has said anything: a daemon starts, maybe with fewer engines than the one before."""
    for path in [*run.glob("engine*.json"), *run.glob("engine*.prom")]:
        path.unlink(missing_ok=True)


def numbers_of(run: Path, number: int) -> Path:
    """Where an engine leaves its metrics for the front."""
    return _path(run, number).with_suffix(".prom")


def _path(run: Path, number: int) -> Path:
    return run / (f"engine-{number}.json" if number else "engine.json")


def _together(words: Sequence[dict[str, Any]]) -> dict[str, Any]:
    found = {**words[0], "ready": all(word["ready"] for word in words)}
    for of, names in ((min, ("turns", "began")), (max, ("seq", "at"))):
        found |= {name: of(word.get(name, 0) for word in words) for name in names}
    found |= {name: sum(word.get(name) or 0 for word in words) for name in SUMMED}
    waits = {part for word in words for part in word.get("waiting", "").split(", ") if part}
    found["waiting"] = ", ".join(sorted(waits))
    found["losses"] = [sentence for word in words for sentence in word.get("losses", ())]
    found["snapshots_failing"] = any(word.get("snapshots_failing") for word in words)
    found["partitions"] = sorted(partition for word in words for partition in word.get("partitions", ()))
    found["engines"] = [{name: word.get(name) for name in EACH} for word in words]
    return found
