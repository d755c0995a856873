"""Named places in the program at which a test can have it killed, as a power cut or the system would.

In ordinary life a point is one comparison, and nothing more can come of it: a process dies at a point only if it was
started with both variables below, and only while somebody reads from the named pipe that the second one names. A
variable that is left over somewhere kills nobody.
"""

from __future__ import annotations

import os
import signal
import stat
from typing import Final, Literal, get_args

Point = Literal[
    "before spool fsync",
    "after spool fsync",
    "before observe",
    "after observe",
    "before ledger commit",
    "after ledger commit",
    "before claim",
    "after claim",
    "before socket write",
    "after socket write",
    "before outcome commit",
    "after outcome commit",
    "before snapshot write",
    "after snapshot write",
    "before migration",
    "after migration",
    "before retention",
    "after retention",
]
POINTS: Final[tuple[Point, ...]] = get_args(Point)

AT: Final = "_OVERLOOP_DIE_AT"  # the point
PIPE: Final = "_OVERLOOP_DIE_PIPE"  # the path of the named pipe that is told
_AT: Final = os.environ.get(AT)
_PIPE: Final = os.environ.get(PIPE)


def point(name: Point) -> None:
    """The program passes here."""
    if name == _AT and _PIPE is not None:
        _die(name, _PIPE)


def _die(name: Point, pipe: str) -> None:
    """Tell the pipe, and be killed; go on if there is no pipe of ours or nobody reads from it."""
    try:
        told = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # fails without a reader
    except OSError:
        return
    what = os.fstat(told)
    if not stat.S_ISFIFO(what.st_mode) or what.st_uid != os.geteuid():
        os.close(told)
        return
    os.write(told, f"{name}\n".encode())
    os.kill(os.getpid(), signal.SIGKILL)
