"""Bodies whose lines are all alike, checked by one call of the decoder: the usual large post."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
from msgspec import Meta

from monitor.formats import limits

_Time = Annotated[datetime, Meta(tz=True)]
_Seconds = Annotated[float, Meta(ge=limits.FIRST_SECOND, lt=limits.LAST_SECOND)]
_Scalar = bool | int | float | str | None
_Value = _Scalar | list[_Scalar]  # no object: what is nested goes the careful way
_MOST_COLUMNS = 512  # of one decoder, so that making it anew for each new column stays cheap
_MOST_DECODERS = 500

Sections = tuple[str, ...]


class Uniform:
    """Learns which columns of a model are fine, and then reads bodies that have no others.

    A decoder belongs to a model and to the sections its events have. It knows a type of event that has these sections
    and no column beyond those learned, so a body that it reads has nothing else in it, however the columns vary.
    """

    def __init__(self, versioned: bool) -> None:
        self._versioned = versioned  # events have a version, truths do not
        self._columns: dict[tuple[str, Sections], dict[str, set[str]]] = {}
        self._decoders: dict[tuple[str, Sections], msgspec.json.Decoder[Any]] = {}

    def learn(self, model: str, columns: dict[str, Iterable[str]]) -> None:
        """Columns of one event that are fine, by section; those of a section it has and that is empty, too."""
        kind = (model, tuple(columns))
        known = self._columns.get(kind)
        if known is None:
            if len(self._columns) >= _MOST_DECODERS:
                self.forget()
            known = self._columns[kind] = {name: set() for name in columns}
        together = {name: known[name].union(keys) for name, keys in columns.items()}
        if together != known and sum(map(len, together.values())) <= _MOST_COLUMNS:
            self._columns[kind] = together
        elif kind in self._decoders:
            return
        self._decoders[kind] = _decoder(model, self._columns[kind], self._versioned)

    def forget(self) -> None:
        self._columns.clear()
        self._decoders.clear()

    def read(
        self, text: bytes, model: str, sections: Sections, good_version: Callable[[Any], bool]
    ) -> list[str] | None:
        """The ids of the lines, if each is an event of this kind that may be kept as it stands; else None."""
        decoder = self._decoders.get((model, sections))
        if decoder is None:
            return None
        try:
            events = decoder.decode_lines(text)
        except (ValueError, RecursionError):  # msgspec's errors are ValueErrors
            return None
        if len(events) != _count(text, b"\n") + 1 or _count(text, b"{") != len(events) * (1 + len(sections)):
            return None  # an event over several lines; a brace in a text, or a section twice in one event
        if self._versioned and not all(map(good_version, {event.version for event in events})):
            return None
        if not _short(text) or (b"\\" in text and b"\\u0000" in text):
            return None
        return _good_ids([event.id for event in events])


def _decoder(model: str, columns: dict[str, set[str]], versioned: bool) -> msgspec.json.Decoder[Any]:
    fields: list[Any] = [("id", str | int), ("model", Literal[model])]
    fields += [(name, _struct(name, sorted(keys))) for name, keys in columns.items()]
    fields += [("version", str | int | float | None, None)] if versioned else []
    fields += [("at", _Time | _Seconds | None, None)]
    return msgspec.json.Decoder(msgspec.defstruct("Line", fields, gc=False, forbid_unknown_fields=True))


def _struct(name: str, keys: Sequence[str]) -> type[msgspec.Struct]:
    plain = [key for key in keys if '"' not in key and "\\" not in key]  # the library can name no others
    fields: list[Any] = [(f"c{row}", _Value, msgspec.field(name=key, default=None)) for row, key in enumerate(plain)]
    return msgspec.defstruct(name, fields, gc=False, forbid_unknown_fields=True)


def _good_ids(ids: list[Any]) -> list[str] | None:
    try:
        together = "".join(ids)
    except TypeError:
        ids = list(map(str, ids))
        together = "".join(ids)
    lengths = set(map(len, ids))
    if min(lengths) < 1 or max(lengths) > limits.NAME or not together.isprintable():
        return None
    return None if " " in together and any(map(str.isspace, ids)) else ids


def _count(text: bytes, byte: bytes) -> int:
    """As `bytes.count`, which takes ten times as long where there are many."""
    return int(np.count_nonzero(np.frombuffer(text, dtype=np.uint8) == byte[0]))


def _short(text: bytes) -> bool:
    return len(text) <= limits.LINE_BYTES or max(map(len, text.split(b"\n"))) <= limits.LINE_BYTES
