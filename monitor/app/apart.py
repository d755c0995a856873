"""Work in a process of its own, so that what it loads is not kept by the one that goes on for months."""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
from collections.abc import Callable


class StartError(Exception):
    """The daemon cannot start; the text is for the person who started it."""


def apart(work: Callable[[], None]) -> None:
    """Do it in a copy of this process and wait. Call it before there are threads.

    Raises StartError with the text of what it raised; what is a mistake of the program is printed as one, too.
    """
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        os._exit(_do(work, write))
    os.close(write)
    with os.fdopen(read, encoding="utf-8", errors="replace") as pipe:
        said = pipe.read()
    _, status = os.waitpid(child, 0)
    if status != 0:
        raise StartError(said or "The daemon could not be prepared; what was printed before says why.")


def _do(work: Callable[[], None], told: int) -> int:
    code = 1
    try:
        work()
        code = 0
    except BaseException as problem:
        if not isinstance(problem, StartError):
            traceback.print_exc()
        with contextlib.suppress(OSError):
            os.write(told, str(problem).encode()[:60_000])  # what a pipe holds, so that nobody has to read meanwhile
    sys.stdout.flush()
    sys.stderr.flush()
    return code
