"""What `strace -f -yy -ttt -xx` wrote, as completed system calls in the order in which they ended."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

TRACED = (
    "openat,write,pwrite64,writev,pwritev,sendto,sendmsg,fsync,fdatasync,ftruncate,"
    "rename,renameat,renameat2,link,unlink,unlinkat"
)
MOST = 4 << 20  # bytes of one argument that are kept: more than any single write of ours

_LINE = re.compile(r"(\d+)\s+(\d+\.\d+) (.*)\n?")
_RESUMED = re.compile(r"<\.\.\. (\w+) resumed>(.*)", re.DOTALL)
_ENDED = re.compile(r"(\w+)\((.*)\)\s+= (-?\d+|\?)(.*)", re.DOTALL)
_UNFINISHED = " <unfinished ...>"
_TOKEN = re.compile(
    r'"(?P<text>(?:\\x[0-9a-f]{2})*)"(?P<cut>\.\.\.)?'
    r"|(?P<fd>\d+)<(?:(?P<path>(?:\\x[0-9a-f]{2})+)|(?P<socket>[\w-]+:\[[^\]]*\]))(?:<[^>]*>)?>(?P<gone>\(deleted\))?"
)


class TraceError(ValueError):
    """The trace is not what was asked of strace."""


@dataclass(frozen=True, slots=True)
class Call:
    """One completed call: `began` and `ended` are line numbers, so that what came before what is known.

    `where` is the file or the socket (`TCP:[from->to]`) of its first descriptor, "" without one or if the file has no
    name any more; `texts` its strings in order; `words` its other arguments.
    """

    name: str
    where: str
    texts: tuple[bytes, ...]
    words: tuple[str, ...]
    result: int
    began: int
    ended: int

    @property
    def data(self) -> bytes:
        """What was written, cut to what was taken."""
        return b"".join(self.texts)[: self.result]


def calls(lines: Iterable[str]) -> Iterator[Call]:
    """Raises TraceError for lines that cannot be read; signals and ends of processes are left out."""
    begun: dict[str, tuple[int, str]] = {}
    for number, line in enumerate(lines):
        found = _LINE.fullmatch(line)
        if found is None:
            raise TraceError(f"line {number + 1} is no line of strace -f -ttt: {line[:80]!r}")
        pid, _, text = found.groups()
        if text.startswith(("---", "+++")):
            continue
        if text.endswith(_UNFINISHED):
            begun[pid] = number, text.removesuffix(_UNFINISHED)
            continue
        first = number
        resumed = _RESUMED.fullmatch(text)
        if resumed is not None:
            if pid not in begun:
                continue  # strace came in the middle of it
            first, head = begun.pop(pid)
            text = head + resumed[2]
        ended = _ENDED.fullmatch(text)
        if ended is None:
            raise TraceError(f"line {number + 1} is no system call: {text[:80]!r}")
        if ended[3] != "?":  # the process ended in it
            yield _call(ended, first, number)


def _call(ended: re.Match[str], began: int, line: int) -> Call:
    name, arguments, result, rest = ended.groups()
    where, texts, described = "", [], False
    for token in _TOKEN.finditer(arguments):
        if token["text"] is not None:
            if token["cut"]:
                raise TraceError(f"line {line + 1} has a cut string: trace with a larger -s")
            texts.append(bytes.fromhex(token["text"].replace("\\x", "")))
        elif not described and token.start() == 0:
            described = True
            where = token["socket"] or ("" if token["gone"] else _text(token["path"]))
    words = tuple(word.strip() for word in _TOKEN.sub("", arguments).split(","))
    if name == "openat" and not where:
        opened = _TOKEN.search(result + rest)
        where = _text(opened["path"]) if opened and opened["path"] else ""
    return Call(name, where, tuple(texts), words, int(result), began, line)


def _text(escaped: str) -> str:
    return bytes.fromhex(escaped.replace("\\x", "")).decode()
