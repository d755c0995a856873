"""From plain values (of TOML, an environment variable, a flag) to settings, by the types in `model`."""

from __future__ import annotations

from collections.abc import Callable
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NoReturn, Union, get_args, get_origin, get_type_hints

import msgspec

from monitor.settings.errors import nearest, shown
from monitor.settings.place import Key
from monitor.settings.values import Reads

Refuse = Callable[[Key, str], NoReturn]  # raises SettingsError with the place of a key
_WORDS = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}


class Reader:
    """Reads one source. `refuse` knows where the source is; `lax` takes numbers and truth values written as text."""

    def __init__(self, refuse: Refuse, lax: bool = False) -> None:
        self._refuse, self._lax = refuse, lax

    def table(self, kind: type[msgspec.Struct], values: object, key: Key = ()) -> Any:
        """A struct of `kind`. Every key must be one of its fields."""
        if not isinstance(values, dict):
            self._refuse(key, f"{_name(key)} must be a table; it is {shown(values)}.")
        fields = fields_of(kind)
        given: dict[str, Any] = {}
        for name, value in values.items():
            if name not in fields:
                self._refuse((*key, name), _unknown((*key, name), list(fields)))
            given[fields[name]] = self.value(_hints(kind)[fields[name]], value, (*key, name))
        for field in msgspec.structs.fields(kind):
            if field.required and field.name not in given:
                self._refuse(key, f"{_name(key)} needs {field.name}, {must_be(_hints(kind)[field.name])}.")
        return kind(**given)

    def value(self, kind: Any, value: object, key: Key) -> Any:
        """A value of the type `kind`, which may be a struct or hold some."""
        kind = _without_none(kind)
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            return self.table(kind, value, key)
        kind = _of_several(kind) if value else kind
        inner = get_args(kind)
        if get_origin(kind) is dict and isinstance(value, dict):
            return {name: self.value(inner[1], each, (*key, name)) for name, each in value.items()}
        if get_origin(kind) is tuple and isinstance(value, list | tuple):
            return tuple(self.value(inner[0], each, (*key, number)) for number, each in enumerate(value))
        return self._leaf(kind, value, key)

    def _leaf(self, kind: Any, value: object, key: Key) -> Any:
        reads = _reads(kind)
        try:
            return reads.read(value) if reads else msgspec.convert(value, kind, strict=not self._lax)
        except (ValueError, msgspec.ValidationError):
            said = "" if reads and reads.private else f"; it is {shown(value)}"
            self._refuse(key, f"{_name(key)} must be {must_be(kind)}{said}.")


def fields_of(kind: type[msgspec.Struct]) -> dict[str, str]:
    """Key as written -> field. A trailing underscore only keeps a field's name from being a word of Python."""
    return {field.name.rstrip("_"): field.name for field in msgspec.structs.fields(kind)}


def must_be(kind: Any) -> str:
    """What a value of this type is, in words."""
    kind = _without_none(kind)
    if reads := _reads(kind):
        return reads.must_be
    plain, *notes = get_args(kind) if get_origin(kind) is Annotated else (kind,)
    if get_origin(plain) is Literal:
        return "one of " + ", ".join(f'"{word}"' for word in get_args(plain))
    if get_origin(plain) is tuple:
        return "a list"
    if get_origin(plain) is dict:
        return "a table"
    return _WORDS.get(plain, "text, a number or a truth value") + "".join(_limits(note) for note in notes)


def _limits(note: Any) -> str:
    if note.gt is not None:
        return f" above {note.gt} and up to {note.le}"
    return f" of at least {note.ge}" if note.le is None else f" from {note.ge} to {note.le}"


def _unknown(key: Key, names: list[str]) -> str:
    close = nearest(str(key[-1]), names)
    if close:
        return f"{_name(key)} is not a setting. Did you mean {_name((*key[:-1], close))}?"
    return f"{_name(key)} is not a setting. There are: {', '.join(names)}."


def _name(key: Key) -> str:
    """A key as one would write it: models."fraud-*".time, routes[0].match."""
    text = ""
    for part in key:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            plain = part.replace("_", "").replace("-", "").isalnum() and part.isascii()
            text += ("." if text else "") + (part if plain else f'"{part}"')
    return text or "the file"


def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind, include_extras=True)


def _without_none(kind: Any) -> Any:
    if get_origin(kind) in (Union, UnionType) and NoneType in get_args(kind):
        return Union[tuple(part for part in get_args(kind) if part is not NoneType)]  # noqa: UP007 - made at run time
    return kind


def _of_several(kind: Any) -> Any:
    """A list that must not be empty, once it is not, is read as any list: each value by itself."""
    plain = get_args(kind)[0] if get_origin(kind) is Annotated else None
    return plain if get_origin(plain) is tuple else kind


def _reads(kind: Any) -> Reads | None:
    if get_origin(kind) is not Annotated:
        return None
    return next((note for note in get_args(kind)[1:] if isinstance(note, Reads)), None)
