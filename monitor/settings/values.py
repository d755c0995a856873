"""How values are written in settings: durations, rates, addresses, names of secrets. Each reader raises ValueError."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)(ms|[smhdw])", re.ASCII)
_RATE = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)\s*/\s*(day|week|month|quarter|year)", re.ASCII)
_DAYS = {"day": 1.0, "week": 7.0, "month": 30.0, "quarter": 91.0, "year": 365.0}
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_CREDENTIAL = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Reads:
    """How a setting is read from its text, and how to say what it must be. A private one is never quoted."""

    read: Callable[[object], object]
    must_be: str
    private: bool = False


def duration(value: object) -> float:
    """Seconds of "5s", "10m", "2h", "1.5d", "1h30m"."""
    text = _text(value)
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def pages_a_week(value: object) -> float:
    """Pages a week of "1/week", "2/day", "0.5/month"."""
    found = _RATE.fullmatch(_text(value))
    if not found or float(found[1]) <= 0:
        raise ValueError
    return float(found[1]) * 7.0 / _DAYS[found[2]]


def listen(value: object) -> str:
    """HOST:PORT; an IPv6 host in brackets. Port 0 lets the system choose."""
    host, _, port = _text(value).rpartition(":")
    if not port.isascii() or not port.isdigit() or int(port) > 65_535:
        raise ValueError
    if host.startswith("["):
        ip_address(host[1:-1] if host.endswith("]") else "")
    elif not host or ":" in host or any(c.isspace() or c in "/@" for c in host):
        raise ValueError
    return f"{host}:{int(port)}"


def web_address(value: object) -> str:
    """An http or https URL that paths can be added to, without user, query or a slash at the end."""
    text = _text(value)
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise ValueError
    if any(c.isspace() for c in text):
        raise ValueError
    _ = parts.port  # raises ValueError where it is no number
    return text.rstrip("/")


def path(value: object) -> Path:
    text = _text(value)
    if not text or "\0" in text:
        raise ValueError
    return Path(text).expanduser()


def variable(value: object) -> str:
    return _matched(_VARIABLE, value)


def credential(value: object) -> str:
    return _matched(_CREDENTIAL, value)


def _text(value: object) -> str:
    if not isinstance(value, str | Path):
        raise ValueError
    return str(value)


def _matched(pattern: re.Pattern[str], value: object) -> str:
    text = _text(value)
    if not pattern.fullmatch(text):
        raise ValueError
    return text


Duration = Annotated[float, Reads(duration, 'a duration such as "90s", "10m", "2h" or "7d"')]
PageRate = Annotated[float, Reads(pages_a_week, 'a rate such as "1/week", "2/day" or "1/month"')]
Listen = Annotated[str, Reads(listen, 'HOST:PORT, such as "127.0.0.1:8420" or "[::1]:8420"')]
WebAddress = Annotated[str, Reads(web_address, 'an address such as "https://overloop.example.org"')]
File = Annotated[Path, Reads(path, "the path of a file or folder")]
Variable = Annotated[str, Reads(variable, 'the name of an environment variable, such as "ONCALL_URL"', private=True)]
Credential = Annotated[str, Reads(credential, 'the name of a credential, such as "receiver_oncall"', private=True)]
