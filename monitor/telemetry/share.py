"""How the engines' numbers reach the front: a small file of each, replaced as a whole."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from pathlib import Path

from monitor.telemetry.together import together

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


def read_all(paths: Sequence[Path]) -> tuple[bytes, bool]:
    """What all engines have written, by their order, and whether every one of them has spoken lately."""
    found = [SharedExposition(path).read() for path in paths]
    heard = [(number, text) for number, text in enumerate(found) if text is not None]
    text = together(heard) if len(paths) > 1 else b"".join(text for _, text in heard)
    return text, len(heard) == len(paths)
