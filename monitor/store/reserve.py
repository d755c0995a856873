"""Space set aside for the ledger, so that a full disk does not stop the record of what people do."""

from __future__ import annotations

import os
from pathlib import Path

SIZE = 16 * 1024 * 1024  # bytes: a few thousand transactions


class Reserve:
    """A file of real blocks that is given back to the disk when it is full and taken again when there is room."""

    def __init__(self, path: Path, size: int = SIZE) -> None:
        self._path = path
        self._size = size

    @property
    def held(self) -> bool:
        """Is the space set aside now?"""
        try:
            return self._path.stat().st_size >= self._size
        except FileNotFoundError:
            return False

    def ensure(self) -> bool:
        """Set the space aside. False if there is not enough room for it now."""
        if self.held:
            return True
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            return False
        try:
            os.posix_fallocate(descriptor, 0, self._size)
        except OSError:
            self._path.unlink(missing_ok=True)
            return False
        finally:
            os.close(descriptor)
        return True

    def release(self) -> bool:
        """Give the space back. False if there was none left to give."""
        held = self.held
        self._path.unlink(missing_ok=True)
        return held
