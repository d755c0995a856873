"""A file that grows: its new lines, each once, through rotation, truncation and restarts."""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict, dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO, NamedTuple

_HEAD = 256  # bytes at the beginning by which a file is known again
MOST_LINES = 1_000
MOST_BYTES = 1 << 20


class FollowError(Exception):
    """The file cannot be followed; the message is a sentence."""


class Piece(NamedTuple):
    """Lines that are posted together under one number. Asked for again after a crash they are the same bytes."""

    producer: str
    sequence: int
    lines: list[bytes]


@dataclass(frozen=True, slots=True)
class _State:
    """Up to `offset` everything was answered. `pending` bytes behind it were about to be posted as `sequence`."""

    producer: str
    sequence: int = 0
    device: int = 0
    inode: int = 0
    head: str = ""
    head_bytes: int = 0
    offset: int = 0
    pending: int = 0


class Follower:
    """Reads `path` from where it stopped. What is about to be posted is noted before, so that after a crash exactly
    the same bytes go out under the same number, and the receiver can tell that it has them.

    `notes` are sentences about what happened to the file, for the person who looks on.
    """

    def __init__(self, path: Path, state: Path, producer: str) -> None:
        self._path, self._state_path = path, state
        self._state = _load(state, producer)
        self._file: BinaryIO | None = None
        self.notes: list[str] = []

    def next(self) -> Piece | None:
        """The next lines, or None if there are none yet. Ask again only after `done`. Raises FollowError."""
        try:
            if self._file is None and not self._open():
                return None
            if self._emptied():
                self._begin_anew()
            piece = self._read()
            while piece is None and (following := self._following()) is not None:
                piece = self._read(to_the_end=True)
                if piece is None:
                    self._turn_to(following)
                    piece = self._read()
            return piece
        except OSError as problem:
            raise FollowError(f"{self._path} cannot be read ({problem.strerror}): check its permissions.") from problem

    def done(self) -> None:
        """The last piece was answered."""
        self._save(replace(self._state, offset=self._state.offset + self._state.pending, pending=0))

    def renumber(self, producer: str) -> None:
        """Count anew under another name: the receiver knows this number for other bytes."""
        self._save(replace(self._state, producer=producer, sequence=1))

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _read(self, to_the_end: bool = False) -> Piece | None:
        file, state = self._opened(), self._state
        file.seek(state.offset)
        if state.pending:
            return self._piece(file.read(state.pending))
        data = file.read(MOST_BYTES)
        end = _end_of_lines(data)
        if not end and (to_the_end or len(data) == MOST_BYTES):  # so long a line is refused by the receiver, in parts
            end = len(data)
        if not end:
            return None
        self._save(self._known_again(replace(state, sequence=state.sequence + 1, pending=end)))
        return self._piece(data[:end])

    def _piece(self, data: bytes) -> Piece:
        return Piece(self._state.producer, self._state.sequence, data.removesuffix(b"\n").split(b"\n"))

    def _open(self) -> bool:
        """Open the file where it was left, wherever it was moved to; False if there is none yet."""
        found = next((path for path in self._candidates() if self._is_mine(path)), None)
        if found is not None:
            self._file = found.open("rb")
        elif self._path.exists():
            if self._state.inode:
                self.notes.append(f"{self._path} is another file than before and the old one is gone: it is read anew.")
            self._turn_to(self._path)
        return self._file is not None

    def _turn_to(self, path: Path) -> None:
        """Go on with another file, from its beginning."""
        self.close()
        self._file = path.open("rb")
        self._begin_anew()

    def _begin_anew(self) -> None:
        status = os.fstat(self._opened().fileno())
        state = _State(self._state.producer, self._state.sequence, status.st_dev, status.st_ino)
        self._save(self._known_again(state))

    def _emptied(self) -> bool:
        """Whether the open file was cut or written anew since."""
        state = self._state
        whole = os.fstat(self._opened().fileno()).st_size >= state.offset + state.pending
        if whole and self._head(state.head_bytes) == state.head:
            return False
        self.notes.append(f"{self._path} was emptied and is read from its beginning.")
        return True

    def _following(self) -> Path | None:
        """The file that was begun when the open one was moved away; None while the open one is still in use.

        A new file that is empty does not count: its writer has not turned to it yet.
        """
        mine = os.fstat(self._opened().fileno())
        later = [
            (status.st_mtime_ns, path)
            for path in self._candidates()
            if (status := path.stat()).st_size
            and _identity(status) != _identity(mine)
            and (path == self._path or status.st_mtime_ns >= mine.st_mtime_ns)
        ]
        moved = self._path.exists() and _identity(self._path.stat()) != _identity(mine)
        return min(later)[1] if moved and later else None

    def _candidates(self) -> list[Path]:
        """The path itself, and beside it what rotation makes of it: `name.1`, `name-20260131`."""
        rotated = re.compile(re.escape(self._path.name) + r"[.-][\d.T:-]+")
        beside = [path for path in self._path.parent.iterdir() if rotated.fullmatch(path.name)]
        return [path for path in (self._path, *sorted(beside)) if path.exists()]

    def _is_mine(self, path: Path) -> bool:
        status, state = path.stat(), self._state
        if _identity(status) != (state.device, state.inode):
            return False
        with path.open("rb") as file:
            return status.st_size >= state.offset and _hash(file.read(state.head_bytes)) == state.head

    def _head(self, size: int) -> str:
        file = self._opened()
        file.seek(0)
        return _hash(file.read(size))

    def _known_again(self, state: _State) -> _State:
        if state.head_bytes == _HEAD:
            return state
        file = self._opened()
        file.seek(0)
        head = file.read(_HEAD)
        return replace(state, head=_hash(head), head_bytes=len(head))

    def _opened(self) -> BinaryIO:
        assert self._file is not None
        return self._file

    def _save(self, state: _State) -> None:
        self._state = state
        unfinished = self._state_path.with_name(self._state_path.name + ".new")
        with unfinished.open("w") as file:
            json.dump(asdict(state), file)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(self._state_path)


def _load(path: Path, producer: str) -> _State:
    if not path.exists():
        return _State(producer)
    try:
        state = _State(**json.loads(path.read_bytes()))
        texts, numbers = [state.producer, state.head], [value for value in asdict(state).values() if type(value) is int]
        if {type(text) for text in texts} != {str} or len(numbers) != len(asdict(state)) - 2 or min(numbers) < 0:
            raise ValueError(state)
        return state
    except (OSError, ValueError, TypeError, RecursionError) as problem:
        raise FollowError(f"{path} does not hold where reading stopped: delete it to begin anew.") from problem


def _end_of_lines(data: bytes) -> int:
    """How many bytes make whole lines, at most MOST_LINES of them."""
    end = 0
    for _ in range(MOST_LINES):
        found = data.find(b"\n", end)
        if found < 0:
            break
        end = found + 1
    return end


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _hash(data: bytes) -> str:
    return blake2b(data, digest_size=16).hexdigest()
