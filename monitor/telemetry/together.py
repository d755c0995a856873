"""The numbers of several engines as one exposition: each series says which engine counted it.

They are not added up here: an engine that starts again counts from zero, and only whoever still sees it apart from the
others knows that for what it is. `sum without (engine) (rate(…))` adds up.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import partial

_FAMILY = re.compile(rb"^(?=# HELP )", re.MULTILINE)
_SERIES = re.compile(rb"^([^#\s{]+)(?:\{|(?= ))", re.MULTILINE)


def together(parts: Iterable[tuple[int, bytes]]) -> bytes:
    """Expositions by the number of their engine, merged family by family, as the text format wants it."""
    families: dict[bytes, tuple[bytes, list[bytes]]] = {}  # name -> its two lines of comment, its series
    for number, text in parts:
        for block in filter(None, _FAMILY.split(text)):
            name = block.split(b" ", 3)[2]
            start = block.index(b"\n", block.index(b"\n# TYPE ") + 1) + 1
            _, series = families.setdefault(name, (block[:start], []))
            series.append(_SERIES.sub(partial(_labelled, number), block[start:]))
    return b"".join(head + b"".join(series) for head, series in families.values())


def _labelled(number: int, found: re.Match[bytes]) -> bytes:
    closed = b"," if found[0].endswith(b"{") else b"}"
    return b'%b{engine="%d"%b' % (found[1], number, closed)
