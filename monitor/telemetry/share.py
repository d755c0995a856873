"""How the engine's numbers reach the front: a small file, replaced as a whole."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

STALE = 60.0  # seconds after which the engine's numbers are those of an engine that no longer speaks


class SharedExposition:
    """The engine writes, the front reads. Neither ever raises: without the numbers the daemon still works."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, text: bytes) -> None:
        draft = self._path.with_suffix(".tmp")
        with contextlib.suppress(OSError):
            draft.write_bytes(text)
            draft.replace(self._path)

    def read(self) -> bytes | None:
        """None if the engine has not written for a while, or never."""
        with contextlib.suppress(OSError):
            if time.time() - self._path.stat().st_mtime < STALE:
                return self._path.read_bytes()
        return None
