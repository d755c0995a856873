"""Messages over a pipe: four bytes of length, big-endian, then JSON in UTF-8."""

from __future__ import annotations

import json
import os
import select
import struct
import time
from typing import Any

_LIMIT = 1 << 20  # bytes; no honest frame comes near it
_HEAD = struct.Struct(">I")


def write_frame(fd: int, value: dict[str, Any]) -> None:
    """Blocks when the pipe is full: callers keep frames below a pipe's 64 KiB and write to a reader that waits."""
    body = json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")
    data = memoryview(_HEAD.pack(len(body)) + body)
    while data:
        data = data[os.write(fd, data) :]


def read_frame(fd: int, ends: float | None = None) -> dict[str, Any]:
    """The next frame. `ends` is a time of `time.monotonic`.

    Raises EOFError when the other side closed, TimeoutError at `ends`, ValueError on anything that is no frame.
    """
    (size,) = _HEAD.unpack(_read(fd, _HEAD.size, ends))
    if size > _LIMIT:
        raise ValueError(f"a frame of {size} bytes exceeds the limit of {_LIMIT}")
    try:
        value = json.loads(_read(fd, size, ends))
    except RecursionError:
        raise ValueError("a frame is nested too deep") from None
    if not isinstance(value, dict):
        raise ValueError("a frame must hold a JSON object")
    return value


def _read(fd: int, size: int, ends: float | None) -> bytes:
    parts, missing = [], size
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    while missing:
        wait = None if ends is None else max(0.0, ends - time.monotonic()) * 1000.0
        if not poll.poll(wait):
            raise TimeoutError("no frame in time")
        part = os.read(fd, missing)
        if not part:
            raise EOFError("the other side closed the pipe")
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)
