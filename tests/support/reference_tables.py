"""What the reference tables of the documents have to say: keys of settings and their defaults, and so on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import msgspec

from monitor.settings.model import Settings
from monitor.settings.values import Duration, PageRate, Window

_UNITS = (("d", 86_400.0), ("h", 3600.0), ("m", 60.0), ("s", 1.0), ("ms", 0.001))


def settings_rows(kind: type[msgspec.Struct] = Settings, above: str = "") -> Iterator[tuple[str, str]]:
    """Every key as it is written in `overloop.toml`, and its default as it would be written."""
    hints = get_type_hints(kind, include_extras=True)
    for field in msgspec.structs.fields(kind):
        name, hint = above + field.name.rstrip("_"), _without_limits(_without_none(hints[field.name]))
        inner = _struct_in(hint)
        if inner is None:
            yield name, _written(hint, field)
        elif get_origin(hint) is dict:
            yield from settings_rows(inner, f"{name}.{_KEYS.get(field.name, 'NAME')}.")
        elif get_origin(hint) is tuple:
            yield from settings_rows(inner, f"{name}[].")
        else:
            yield from settings_rows(inner, f"{name}.")


_KEYS = {"models": '"PATTERN"'}  # else NAME


def _struct_in(hint: Any) -> type[msgspec.Struct] | None:
    """The struct that a hint is, or that a table or a list of it holds."""
    for one in (hint, *get_args(hint)):
        if isinstance(one, type) and issubclass(one, msgspec.Struct):
            return one
    return None


def _without_none(hint: Any) -> Any:
    if get_origin(hint) in (Union, UnionType) and NoneType in get_args(hint):
        return Union[tuple(part for part in get_args(hint) if part is not NoneType)]  # noqa: UP007
    return hint


def _without_limits(hint: Any) -> Any:
    """A list of tables, without how many it must hold."""
    plain = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    return plain if get_origin(plain) is tuple and _struct_in(plain) else hint


def _written(hint: Any, field: Any) -> str:
    if field.required:
        return "required"
    default = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    if default is None or default == () or default == {} or isinstance(default, Path):
        return "none"
    if hint in (Duration, Window):
        return f"`{duration(default)}`"
    if hint == PageRate:
        return f"`{default:g}/week`"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    return f"`{default:g}`" if isinstance(default, float) else f"`{default}`"


def duration(seconds: float) -> str:
    """`4h` of 14400."""
    unit, size = next((unit, size) for unit, size in _UNITS if seconds >= size or (unit == "s" and not seconds))
    return f"{seconds / size:g}{unit}"


def table_rows(text: str) -> list[list[str]]:
    """The cells of all rows of Markdown tables."""
    rows = (line for line in text.splitlines() if line.startswith("|"))
    return [[cell.strip() for cell in row.replace("\\|", "\0").strip().strip("|").split("|")] for row in rows]
