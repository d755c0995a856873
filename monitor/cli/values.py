"""Values of options and arguments, converted without pydantic.

Typer hands every value to pydantic, whose import alone takes longer than the rest of a short command. What our
commands take is of a few plain kinds, so it is converted here; a parameter of any other kind is left to Typer.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from typer._click import Command, Context
from typer._click.exceptions import BadParameter
from typer._coercion import RuntimeParam
from typer.core import TyperGroup, _TyperParameter
from typer.models import ParameterInfo


def plainly(command: Command, context: Context) -> Command:
    """The same command; it and those below it convert their plain values here."""
    for parameter in command.get_params(context):  # --help is among them
        if isinstance(parameter, _TyperParameter) and parameter._runtime_param is None:
            described = parameter.type_descriptor
            if described.parameter_info.parser is None and _is_plain(described.annotation):
                parameter._runtime_param = _Plain(described.parameter_info, described.annotation)
    for below in command.commands.values() if isinstance(command, TyperGroup) else ():
        plainly(below, context)
    return command


@dataclass(frozen=True)
class _Plain(RuntimeParam):
    """Typer's hook for a conversion. What is wrong with a value is said in half a sentence that Typer completes."""

    def _coerce_value(self, value: Any, param: _TyperParameter, ctx: Context) -> Any:
        kind, many = _kind(self.annotation)
        try:
            found = [_read(kind, one, self.parameter_info) for one in (value if many else [value])]
        except ValueError as problem:
            raise BadParameter(str(problem), ctx=ctx, param=param) from None
        return found if many else found[0]


def _kind(annotation: Any) -> tuple[Any, bool]:
    """The kind of one value, and whether there may be many."""
    origin: Any = get_origin(annotation)
    return (get_args(annotation)[0], True) if origin is list else (annotation, False)


def _is_plain(annotation: Any) -> bool:
    kind, _ = _kind(annotation)
    return kind in _READERS or kind is bool or get_origin(kind) is Literal


def _read(kind: Any, value: Any, info: ParameterInfo) -> Any:
    """One value as a command gets it. Raises ValueError with what it must be."""
    if get_origin(kind) is Literal:
        if value not in get_args(kind):
            raise ValueError(f"{value!r} is not one of {', '.join(get_args(kind))}.")
        return value
    if kind is bool or (isinstance(value, kind) and not isinstance(value, str)):  # a flag, or a default
        return value
    found = _READERS[kind](value)
    if (info.min is not None and found < info.min) or (info.max is not None and found > info.max):
        most = "or more" if info.max is None else f"to {info.max:g}"
        raise ValueError(f"{value} is not in the range of {info.min or 0:g} {most}.")
    return found


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a whole number.") from None


def _number(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise ValueError(f"{text!r} is not a number.")
    return found


def _path(text: str) -> Path:
    if not text or "\0" in text:
        raise ValueError("an empty text is not the name of a file or folder.")
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise ValueError(f"{text!r} begins with the home folder of a user that there is not.") from None


_READERS: dict[Any, Callable[[str], Any]] = {str: str, int: _whole, float: _number, Path: _path}
