"""Templates of the pages, and how values are written for people."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from monitor.core.incidents.words import duration_text, number_text
from monitor.core.times import parse_time

if TYPE_CHECKING:
    from monitor.web.auth import Identity

_SHOWN = 2000  # characters of one text from outside
_CODE = re.compile(r"`([^`]+)`")


def page(
    request: Request,
    name: str,
    who: Identity | None,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    **values: Any,
) -> HTMLResponse:
    """A template as an answer; `who` is the signed-in person."""
    text = _TEMPLATES.get_template(name).render(who=who, path=request.url.path, **values)
    return HTMLResponse(text, status, headers)


def text_of(name: str, **values: Any) -> str:
    """A template that stands alone, filled."""
    return _TEMPLATES.get_template(name).render(**values) + "\n"


def figure_text(figure: Mapping[str, Any]) -> str:
    """A figure of a report: `90.0 % (36 of 40; 76.3 to 97.2 %)`."""
    value, n, interval = figure["value"], figure["n"], figure["interval"]
    if n is not None:
        if value is None:
            return f"– ({figure['k']} of {n})"
        low, high = interval
        return f"{value:.1%} ({figure['k']} of {n}; 95 % interval {low:.1%} to {high:.1%})"
    return number(value) if isinstance(value, float) else "–" if value is None else f"{value}"


def when(text: str | None) -> str:
    """A time for people, to the second, with its zone."""
    return "never" if text is None else f"{text[:10]} {text[11:19]} UTC"


def ago(text: str | None, now: float) -> str:
    """`8 minutes ago`."""
    if text is None:
        return "never"
    seconds = round(now - _seconds(text, now))
    if seconds < 0:
        return f"in {_rough(-seconds)}"
    return "just now" if seconds < 5 else f"{_rough(seconds)} ago"


def _rough(seconds: float) -> str:
    """To one unit: nobody reads seconds of a day."""
    for length in (86_400, 3600, 60, 1):
        if seconds >= length * (1 if length == 1 else 2):
            return duration_text(seconds // length * length)
    return duration_text(seconds)


def _seconds(text: str, otherwise: float) -> float:
    try:
        return parse_time(text)
    except ValueError:
        return otherwise


def number(value: float | None) -> str:
    """Four significant digits; a dash where there is none."""
    return "–" if value is None else number_text(value)


def shown(text: object) -> str:
    """Text from outside: no control or format characters (they can turn a line around), and not without end."""
    kept = "".join(c for c in str(text)[: _SHOWN + 1] if c.isprintable() or c in "\n\t")
    return kept if len(kept) <= _SHOWN else kept[: _SHOWN - 1] + "…"


def nth(n: int | None) -> str:
    """`second`, `11th`; nobody counts to the twenty-first."""
    return {1: "first", 2: "second", 3: "third"}.get(n or 0, f"{n}th")


def coded(text: str) -> Markup:
    """A sentence with `code` in it."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(shown(text)))))  # noqa: S704 (escaped before)


def link(url: str | None) -> str | None:
    """An address that may stand in a link."""
    return url if url and url.startswith(("https://", "http://")) else None


_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES.filters |= {
    "when": when,
    "ago": ago,
    "number": number,
    "shown": shown,
    "web": link,
    "coded": coded,
    "nth": nth,
    "figure_text": figure_text,
    "span": duration_text,
    "quoted": lambda text: quote(str(text), safe=""),
}
