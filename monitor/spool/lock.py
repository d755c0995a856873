"""One writer to a spool."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from monitor.spool.errors import SpoolBusy, SpoolUnusable


def writer_lock(folder: Path) -> int:
    """A file descriptor that is the writer's lock: held until closed or until the process ends, however it ends."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / "writer.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as problem:
        raise SpoolUnusable(
            f"{folder} cannot be written ({problem.strerror}): check its owner, its permissions and the disk."
        ) from problem
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as problem:
        os.close(handle)
        raise SpoolBusy(f"Another process writes to {folder}: stop it, or use another home folder.") from problem
    return handle
