"""Which processes live, and children that cannot outlive their parent, whatever kills it."""

from __future__ import annotations

import ctypes
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

_PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int, line: int, told: Callable[[], object] = lambda: None) -> None:
    """Tie this process to `parent`: the kernel's signal, and the end of file on the pipe `line` should that fail.

    The pipe also covers a parent that died before the signal was asked for. Whatever the parent writes on it makes
    `told` be called, in a thread.
    """
    if Path("/proc/self").exists():
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)
    threading.Thread(target=_watch, args=(line, told), name="lineage", daemon=True).start()


def lives(pid: int) -> bool:
    """Whether a process is there and not merely waiting to be buried. Where nobody can tell: yes."""
    if not Path("/proc/self").exists():
        return True
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def _watch(line: int, told: Callable[[], object]) -> None:
    while os.read(line, 64):
        told()
    os._exit(1)
