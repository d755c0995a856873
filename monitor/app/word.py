"""What the engine tells the front of itself: a small file that is replaced about once a second."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

from monitor.app.lineage import lives
from monitor.runtime.pace import boottime

SILENT = 10.0  # seconds without a word after which the engine does not count as ready


def leave(run: Path, word: dict[str, Any]) -> None:
    """Leave word in the folder `run`. A full disk costs the front our word, not the engine its life."""
    path = run / "engine.json"
    draft = path.with_suffix(".tmp")
    with contextlib.suppress(OSError):
        draft.write_text(json.dumps({**word, "boottime": boottime()}))
        draft.replace(path)


def last(run: Path) -> dict[str, Any]:
    """The last word; `ready` only if that was lately and the process is still there."""
    try:
        word: dict[str, Any] = json.loads((run / "engine.json").read_text())
    except (OSError, ValueError):
        return {"ready": False}
    age = boottime() - word.pop("boottime", 0.0)
    return {**word, "ready": bool(word.get("ready")) and 0.0 <= age < SILENT and lives(word.get("pid", 0))}
