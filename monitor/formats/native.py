"""Our own format: checks a body of events or of truths, line by line, before it is kept."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from traceback import extract_tb
from typing import Any, Literal

import msgspec

from monitor.formats import limits
from monitor.formats.careful import Refused, check
from monitor.formats.envelope import EVENT_SECTIONS, TRUTH_SECTIONS, Event, Truth
from monitor.formats.secrets import Secrets
from monitor.formats.split import split, whole
from monitor.formats.uniform import Uniform

log = logging.getLogger(__name__)

_DOUBTFUL = -1
_REMEMBERED_KEYS = 200_000


@dataclass(slots=True)
class Checked:
    """The good lines, with the model and the id of each, and for each bad one its number and a sentence.

    `text` has the lines as they came where all of them are kept as they came, of one model.
    """

    models: list[str] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    rejected: list[tuple[int, str]] = field(default_factory=list)
    text: bytes | None = None
    apart: list[bytes] = field(default_factory=list)  # else

    @property
    def lines(self) -> list[bytes]:
        return self.apart if self.text is None else self.text.split(b"\n")


class Checker:
    """Checks lines of one kind. Not for two threads at once: it remembers the shapes it has seen.

    Most lines go the quick way: typed decoding, then one look-up of the event's shape (model, version and keys). A
    shape says whether all names are fine and nothing in it is secret, and how many opening braces a line of it has
    when nothing is nested and no key is repeated. Whatever leaves a doubt goes the careful way.

    A body of several lines that are all alike in model and sections is read as a whole (`uniform`).
    """

    def __init__(self, kind: Literal["events", "truth"], secrets: Secrets) -> None:
        self._kind = kind
        self._secrets = secrets
        decoder: Any = msgspec.json.Decoder(Event if kind == "events" else Truth)
        self._decode = decoder.decode
        self._shape: Callable[[Any], tuple[Any, ...]] = _event_shape if kind == "events" else _truth_shape
        self._sections = EVENT_SECTIONS if kind == "events" else TRUTH_SECTIONS
        self._uniform = Uniform(versioned=kind == "events")
        self._braces: dict[Any, int] = {}
        self._keys = 0

    def check(self, body: bytes) -> Checked:
        """Raises `split.Unreadable` if the body has no lines to speak of."""
        return self._whole(body) or self._each(body)

    def _whole(self, body: bytes) -> Checked | None:
        """The body read at once, or None if its lines must be looked at one by one."""
        text = whole(body)
        end = text.find(b"\n")
        if end < 0:
            return None
        try:
            first = self._decode(text[:end])
        except (ValueError, RecursionError):
            return None
        shape = self._shape(first)
        if self._braces_of(shape) == _DOUBTFUL:
            return None
        present = tuple([name for name, keys in zip(self._sections, shape[2:], strict=True) if keys is not None])
        ids = self._uniform.read(text, first.model, present, _good_version)
        return None if ids is None else Checked([first.model] * len(ids), ids, text=text)

    def _each(self, body: bytes) -> Checked:
        checked = Checked()
        plain = b"[" not in body and b"\\" not in body  # one look at all lines costs a tenth of a look at each
        for number, line in split(body):
            try:
                model, id_, kept = self._quick(line, plain) or check(line, self._kind, self._secrets)
            except Refused as refused:
                checked.rejected.append((number, str(refused)))
                continue
            except MemoryError:
                raise
            except Exception as fault:  # a fault of ours: it must not cost the other lines
                checked.rejected.append((number, _ours(fault)))
                continue
            checked.models.append(model)
            checked.ids.append(id_)
            checked.apart.append(kept)
        return checked

    def _quick(self, line: bytes, plain: bool = False) -> tuple[str, str, bytes] | None:
        """Model, id and the line as it is kept, or None if it needs the careful way. `plain`: no list, no backslash."""
        try:
            event = self._decode(line)
        except (ValueError, RecursionError):  # msgspec's errors are ValueErrors
            return None
        braces = self._braces_of(self._shape(event))
        id_ = event.id
        if type(id_) is not str:
            id_ = str(id_)
        at = event.at
        if line.count(b"{") != braces:
            if braces == _DOUBTFUL or not _flat(event, self._sections):
                return None
            line = msgspec.json.encode(event)  # braces in its texts, or a repeated key that must not be kept
        if (
            not (plain or _shallow(line))
            or len(line) > limits.LINE_BYTES
            or not 0 < len(id_) <= limits.NAME
            or not id_.isprintable()
            or id_.isspace()
            or (at is not None and type(at) in _NUMBERS and not limits.FIRST_SECOND <= at < limits.LAST_SECOND)
        ):
            return None
        return event.model, id_, line

    def _braces_of(self, shape: Any) -> int:
        braces = self._braces.get(shape)
        return self._learn(shape) if braces is None else braces

    def _learn(self, shape: Any) -> int:
        model, version, *sections = shape
        size = sum(len(keys) for keys in sections if keys)
        if self._keys + size + 1 > _REMEMBERED_KEYS:
            self._braces.clear()
            self._uniform.forget()
            self._keys = 0
        self._keys += size + 1
        good = _good_name(model) and _good_version(version) and size <= limits.COLUMNS
        good = good and any(keys is not None for keys in (sections[:2] if self._kind == "events" else sections))
        for name, keys in zip(self._sections, sections, strict=True):
            good = good and all(self._good_column(model, name, key) for key in keys or ())
        present = {name: keys for name, keys in zip(self._sections, sections, strict=True) if keys is not None}
        self._braces[shape] = 1 + len(present) if good else _DOUBTFUL
        if good:
            self._uniform.learn(model, present)
        return self._braces[shape]

    def _good_column(self, model: str, section: str, key: str) -> bool:
        path = f"{section}.{key}"
        return (
            bool(key)
            and key.isprintable()
            and len(path) <= limits.PATH
            and self._secrets.treatment(model, path) is None
        )


_NUMBERS = (int, float)


def _event_shape(event: Event) -> tuple[Any, ...]:
    inputs, output, context, truth = event.inputs, event.output, event.context, event.truth
    return (
        event.model,
        event.version,
        None if inputs is None else tuple(inputs),
        None if output is None else tuple(output),
        None if context is None else tuple(context),
        None if truth is None else tuple(truth),
    )


def _truth_shape(truth: Truth) -> tuple[Any, ...]:
    return truth.model, None, tuple(truth.truth)


def _shallow(line: bytes) -> bool:
    """Whether its lists are surely not nested too deep, and no text in it has a NUL."""
    return (b"[" not in line or line.count(b"[") <= limits.DEPTH - 3) and b"\\u0000" not in line


def _flat(event: Any, sections: tuple[str, ...]) -> bool:
    for name in sections:
        for value in (getattr(event, name) or {}).values():
            if type(value) is dict or (type(value) is list and any(type(item) in (dict, list) for item in value)):
                return False
    return True


def _ours(fault: Exception) -> str:
    """Say so, and log where it happened, but not its words, which may hold what is in the line."""
    place = extract_tb(fault.__traceback__)[-1]
    log.error("A line could not be checked: %s in %s, line %s.", type(fault).__name__, place.name, place.lineno)
    return f"The line could not be checked, for a reason that is ours ({type(fault).__name__}): please report it."


def _good_version(version: str | int | float | None) -> bool:
    return version is None or _good_name(str(version))


def _good_name(name: str) -> bool:
    return 0 < len(name) <= limits.NAME and name.isprintable() and not name.isspace()
