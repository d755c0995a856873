"""What a disk holds after a power cut, rebuilt from a trace of system calls.

A file's bytes are safe once a sync of that file has ended that began after the write had ended. A name is safe once
its folder is synced. Folders themselves are taken as safe: file systems with a journal keep them before what is in
them. What is not safe is lost, or a random half of it is kept: pages of 4,096 bytes singly, names up to a random one,
since a journal keeps those in order.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from system_calls import Call

PAGE = 4096
_LEFT_OUT = ("-shm", ".sock")  # the first is made anew from the journal; its pages are written through a mapping
_BALLAST = "reserve"  # space that is kept back, without content


@dataclass(slots=True)
class File:
    """`safe` is what surely is on the disk; `open` what was done since, in order: (offset, bytes), or (size, None)."""

    safe: bytearray = field(default_factory=bytearray)
    done: int = 0  # how many writes are in it
    open: list[tuple[int, bytes | None]] = field(default_factory=list)
    end: int = 0  # where `write` goes on, and the size as the program sees it

    def sync(self, upto: int) -> None:
        """The first `upto` writes of all are safe now."""
        count = max(0, upto - self.done)
        for at, data in self.open[:count]:
            _apply(self.safe, at, data)
        del self.open[:count]
        self.done += count

    @property
    def whole(self) -> bytes:
        """As the program sees it."""
        found = bytearray(self.safe)
        for at, data in self.open:
            _apply(found, at, data)
        return bytes(found)

    def half(self, draw: random.Random) -> bytearray:
        """The safe bytes, and each page written since or not."""
        found = bytearray(self.safe)
        for at, data in self.open:
            if data is None:
                if draw.random() < 0.5:
                    _apply(found, at, None)
                continue
            for start, part in _pages(at, data):
                if draw.random() < 0.5:
                    _apply(found, start, part)
        return found


@dataclass(slots=True)
class Naming:
    """A name that was given to a file or (None) taken away."""

    path: str
    file: File | None
    safe: bool = False


class Disk:
    """The files below `root`, by `apply`ing calls in the order in which they ended."""

    def __init__(self, root: Path) -> None:
        self.root = str(root)
        self.names: dict[str, File] = {}
        self._namings: list[Naming] = []
        self._begun: dict[int, tuple[File | None, int, list[Naming]]] = {}  # syncs, by the line they began in

    def apply(self, call: Call) -> None:
        """One completed call; what does not concern the root is ignored. Of a sync, `begin` must have been told."""
        if call.result < 0:
            return
        act = _ACTS.get(call.name)
        if act is not None:
            act(self, call)

    def image(self, into: Path, draw: random.Random | None = None) -> None:
        """Write into a folder what is safe, or with `draw` a random half of the rest, too."""
        into.mkdir(parents=True, exist_ok=True)
        open_ = [number for number, naming in enumerate(self._namings) if not naming.safe]
        kept_to = draw.choice([*open_, len(self._namings)]) if draw is not None and open_ else 0
        names: dict[str, File] = {}
        for number, naming in enumerate(self._namings):
            if not naming.safe and number >= kept_to:
                continue
            if naming.file is None:
                names.pop(naming.path, None)
            else:
                names[naming.path] = naming.file
        for path, file in names.items():
            target = into / Path(path).relative_to(self.root)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.safe if draw is None else file.half(draw))
            target.chmod(0o600)

    def is_ours(self, path: str) -> bool:
        inside = path.startswith(f"{self.root}/")
        return inside and not path.endswith(_LEFT_OUT) and path != f"{self.root}/{_BALLAST}"

    # -- calls --------------------------------------------------------------------------------------------------

    def _open(self, call: Call) -> None:
        path, flags = call.where, call.words[2]
        if not self.is_ours(path) or "O_DIRECTORY" in flags:
            return
        if path not in self.names:
            if "O_CREAT" not in flags:
                return
            self._name(path, File())
        file = self.names[path]
        if "O_TRUNC" in flags and file.end:
            file.open.append((0, None))
            file.end = 0

    def _write(self, call: Call) -> None:
        file = self.names.get(call.where)
        if file is None:
            return
        at = int(call.words[-1]) if call.name in ("pwrite64", "pwritev") else file.end
        file.open.append((at, call.data))
        file.end = max(file.end, at + call.result)

    def _truncate(self, call: Call) -> None:
        file = self.names.get(call.where)
        if file is not None:
            size = int(call.words[-1])
            file.open.append((size, None))
            file.end = size

    def begin(self, call: Call) -> None:
        """A sync begins: what is done from now on is not part of it."""
        file = self.names.get(call.where)
        upto = 0 if file is None else file.done + len(file.open)
        inside = [naming for naming in self._namings if str(Path(naming.path).parent) == call.where]
        self._begun[call.began] = file, upto, inside

    def _sync(self, call: Call) -> None:
        file, upto, inside = self._begun.pop(call.began)
        if file is not None:
            file.sync(upto)
        for naming in inside:
            naming.safe = True
        self._forget()

    def _rename(self, call: Call) -> None:
        old, new = (text.decode() for text in call.texts)
        file = self.names.pop(old, None)
        if file is not None:
            self._namings.append(Naming(old, None))
            self._name(new, file)

    def _link(self, call: Call) -> None:
        old, new = (text.decode() for text in call.texts)
        if old in self.names:
            self._name(new, self.names[old])

    def _unlink(self, call: Call) -> None:
        path = call.texts[0].decode()
        if self.names.pop(path, None) is not None:
            self._namings.append(Naming(path, None))

    def _name(self, path: str, file: File) -> None:
        if self.is_ours(path):
            self.names[path] = file
            self._namings.append(Naming(path, file))

    def _forget(self) -> None:
        """What is safe and overtaken by what is safe need not be told again."""
        while len(self._namings) > 1 and self._namings[0].safe:
            path = self._namings[0].path
            if not any(other.path == path and other.safe for other in self._namings[1:]):
                return
            del self._namings[0]


_ACTS = {
    "openat": Disk._open,
    "write": Disk._write,
    "pwrite64": Disk._write,
    "writev": Disk._write,
    "pwritev": Disk._write,
    "ftruncate": Disk._truncate,
    "fsync": Disk._sync,
    "fdatasync": Disk._sync,
    "rename": Disk._rename,
    "renameat": Disk._rename,
    "renameat2": Disk._rename,
    "link": Disk._link,
    "unlink": Disk._unlink,
    "unlinkat": Disk._unlink,
}


def _apply(content: bytearray, at: int, data: bytes | None) -> None:
    if data is None:
        del content[at:]
        content.extend(bytes(at - len(content)))
        return
    content.extend(bytes(max(0, at - len(content))))
    content[at : at + len(data)] = data


def _pages(at: int, data: bytes) -> Iterable[tuple[int, bytes]]:
    """The parts of a write that lie on one page each."""
    start = at
    while start < at + len(data):
        end = min((start // PAGE + 1) * PAGE, at + len(data))
        yield start, data[start - at : end - at]
        start = end
