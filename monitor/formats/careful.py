"""The careful way to check one line: finds what is wrong and says it in a sentence, and mends what may be mended.

Slower than the quick way in `native`, which hands over every line it has a doubt about.
"""

from __future__ import annotations

import json
import math
from datetime import datetime
from difflib import get_close_matches
from typing import Annotated, Any

import msgspec

from monitor.formats import limits
from monitor.formats.envelope import EVENT_SECTIONS, TRUTH_SECTIONS
from monitor.formats.secrets import Secrets

Zoned = Annotated[datetime, msgspec.Meta(tz=True)]
_KEYS = {
    "events": ("id", "model", "version", "at", *EVENT_SECTIONS),
    "truth": ("id", "model", "at", *TRUTH_SECTIONS),
}


class Refused(ValueError):  # noqa: N818
    """This line is not taken; the message is a sentence for its sender."""


def check(line: bytes, kind: str, secrets: Secrets) -> tuple[str, str, bytes]:
    """(model, id, line as it is kept). Raises Refused."""
    if len(line) > limits.LINE_BYTES:
        raise Refused(f"The line has {len(line):,} bytes, and at most {limits.LINE_BYTES:,} are taken.")
    event = parse(line)
    if not isinstance(event, dict):
        raise Refused(f"The line is {_what(event)}, and an object with the keys id and model is needed.")
    _known_keys(event, kind)
    model = _name(event, "model")
    id_ = _id(event)
    kept: dict[str, Any] = {"id": id_, "model": model}
    if event.get("version") is not None:
        kept["version"] = _version(event["version"])
    if event.get("at") is not None:
        kept["at"] = _time(event["at"])
    walk = _Walk(model, secrets)
    for section in EVENT_SECTIONS if kind == "events" else TRUTH_SECTIONS:
        if event.get(section) is not None:
            kept[section] = walk.section(event[section], section)
    if kind == "truth" and "truth" not in kept:
        raise Refused('The key truth is missing: give the truth as an object, such as {"label": 1}.')
    if kind == "events" and "inputs" not in kept and "output" not in kept:
        raise Refused("The event has neither inputs nor output: give at least one of them as an object.")
    return model, id_, msgspec.json.encode(kept)


def parse(line: bytes) -> Any:
    """The value of one line; bare NaN and Infinity and numbers beyond the range of a double come as such floats."""
    try:
        return msgspec.json.decode(line)
    except RecursionError:
        raise Refused(_TOO_DEEP) from None
    except (msgspec.MsgspecError, ValueError):
        pass  # the standard library also takes what is not quite JSON, and says where the fault is
    try:
        return json.loads(line.decode("utf-8"))
    except RecursionError:
        raise Refused(_TOO_DEEP) from None
    except UnicodeDecodeError as problem:
        raise Refused(f"The line is not valid UTF-8 at byte {problem.start + 1}.") from None
    except json.JSONDecodeError as problem:
        raise Refused(f"The line is not valid JSON at character {problem.pos + 1}: {_lower(problem.msg)}.") from None
    except ValueError:
        raise Refused("The line holds a whole number of more than 4,300 digits.") from None


_TOO_DEEP = f"The line is nested more than {limits.DEPTH} levels deep."


class _Walk:
    """Checks the values of one event and gives them back as they are kept."""

    def __init__(self, model: str, secrets: Secrets) -> None:
        self._model = model
        self._secrets = secrets
        self._paths: set[str] = set()

    def section(self, value: Any, name: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise Refused(f"The key {name} holds {_what(value)}, and an object is needed.")
        return self._object(value, name, 2)

    def _object(self, value: dict[str, Any], path: str, depth: int, listed: bool = False) -> dict[str, Any]:
        """`listed`: inside a list, where its keys make no columns of their own, but may be secret all the same."""
        if depth > limits.DEPTH:
            raise Refused(_TOO_DEEP)
        kept: dict[str, Any] = {}
        for key, item in value.items():
            below = f"{path}.{self._key(key, path)}"
            treatment = self._secrets.treatment(self._model, below)
            if isinstance(item, dict) and treatment is None:
                kept[key] = self._object(item, below, depth + 1, listed)
                continue
            if not listed:
                self._count(below)
            item = self._leaf(item, below, depth + 1, hidden=treatment is not None)
            if treatment is None or item is None:
                kept[key] = item
            elif treatment == "hash":
                kept[key] = self._secrets.hashed(item)
        return kept

    def _leaf(self, value: Any, path: str, depth: int, hidden: bool) -> Any:
        """`hidden`: below a secret, which is taken whole, so that nothing in it need be looked for."""
        if isinstance(value, dict) and not hidden:
            return self._object(value, path, depth, listed=True)
        if isinstance(value, float) and not math.isfinite(value):
            return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
        if isinstance(value, str):
            _storable(value, path)
        elif isinstance(value, list | dict):
            if depth > limits.DEPTH:
                raise Refused(_TOO_DEEP)
            if isinstance(value, list):
                return [self._leaf(item, path, depth + 1, hidden) for item in value]
            return {self._key(key, path): self._leaf(item, path, depth + 1, hidden) for key, item in value.items()}
        return value

    def _key(self, key: str, path: str) -> str:
        if not key:
            raise Refused(f"An object in {path} has an empty key.")
        if not key.isprintable():
            raise Refused(f"The key {key!r} in {path} has characters that cannot be printed.")
        if len(path) + 1 + len(key) > limits.PATH:
            raise Refused(f"The key {key[:40]!r}… in {path[:60]} makes a path of more than {limits.PATH} characters.")
        return key

    def _count(self, path: str) -> None:
        if path in self._paths:
            raise Refused(f"The column {path} has two values, one of a dotted key and one of a nested object.")
        self._paths.add(path)
        if len(self._paths) > limits.COLUMNS:
            raise Refused(f"The event has more than {limits.COLUMNS:,} columns.")


def _known_keys(event: dict[str, Any], kind: str) -> None:
    allowed = _KEYS[kind]
    for key in event:
        if key not in allowed:
            near = get_close_matches(key[:50], allowed, 1)
            hint = f"did you mean {near[0]}?" if near else f"the keys are {', '.join(allowed)}."
            raise Refused(f"The key {key[:50]!r} is not known here: {hint}")


def _id(event: dict[str, Any]) -> str:
    value = event.get("id")
    if isinstance(value, int) and not isinstance(value, bool):
        event = {"id": str(value)}
    return _name(event, "id")


def _name(event: dict[str, Any], key: str) -> str:
    value = event.get(key)
    if value is None:
        raise Refused(f"The key {key} is missing.")
    if not isinstance(value, str):
        kinds = "text or a whole number" if key == "id" else "text"
        raise Refused(f"The key {key} holds {_what(value)}, and {kinds} is needed.")
    if not value.strip():
        raise Refused(f"The key {key} holds empty text.")
    if len(value) > limits.NAME:
        raise Refused(f"The key {key} has {len(value):,} characters, and at most {limits.NAME} are taken.")
    if not value.isprintable():
        raise Refused(f"The key {key} holds {value[:40]!r}, which has characters that cannot be printed.")
    return value


def _version(value: Any) -> str | int | float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not _finite(value):
        return _name({"version": value}, "version")
    _name({"version": str(value)}, "version")
    return value


def _time(value: Any) -> Any:
    """`value` itself, if it is a time. Raises Refused."""
    if isinstance(value, str):
        try:
            msgspec.convert(value, Zoned)
        except ValueError as problem:  # msgspec's errors, and of half surrogate pairs
            if "timezone" in str(problem):
                raise Refused(
                    f"The time {value[:40]!r} under at has no zone: add Z for UTC, or an offset such as +01:00."
                ) from None
            raise Refused(
                f"The key at holds {value[:40]!r}, which is no time: write it as 2026-01-31T12:00:00Z."
            ) from None
        return value
    if isinstance(value, bool) or not isinstance(value, int | float) or not _finite(value):
        raise Refused(f"The key at holds {_what(value)}, and a time such as 2026-01-31T12:00:00Z is needed.")
    if not limits.FIRST_SECOND <= value < limits.LAST_SECOND:
        raise Refused(
            f"The number {_short(value)} under at is no time in seconds since 1970 between the years 1 and 9999: "
            f"if it counts milliseconds, divide it by 1,000."
        )
    return value


def _storable(text: str, path: str) -> None:
    if "\0" in text:
        raise Refused(f"The text at {path} holds a NUL character, which cannot be stored.")
    if not text.isascii():
        try:
            text.encode("utf-8")
        except UnicodeEncodeError:
            raise Refused(f"The text at {path} holds half a surrogate pair, which is no character.") from None


def _finite(value: int | float) -> bool:
    return isinstance(value, int) or math.isfinite(value)


def _short(number: int | float) -> str:
    text = str(number)
    return text if len(text) <= 40 else f"{text[:40]}…"


def _what(value: Any) -> str:
    """A value's kind in words."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, float) and not math.isfinite(value):
        return "a number that is not finite"
    for type_, words in ((str, "text"), (int, "a number"), (float, "a number"), (list, "a list"), (dict, "an object")):
        if isinstance(value, type_):
            return words
    return type(value).__name__


def _lower(message: str) -> str:
    return message[:1].lower() + message[1:]
