"""How values are written in settings: durations, rates, addresses, names of secrets. Each reader raises ValueError."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from monitor.core.incidents.matching import parse_matcher

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)(ms|[smhdw])", re.ASCII)
_RATE = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)\s*/\s*(day|week|month|quarter|year)", re.ASCII)
_DAYS = {"day": 1.0, "week": 7.0, "month": 30.0, "quarter": 91.0, "year": 365.0}
_HOURS = re.compile(r"(\d{2}):(\d{2})-(\d{2}):(\d{2})", re.ASCII)
_DAY_NAMES = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
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


def window(value: object) -> float:
    """As `duration`, at most ten seconds."""
    found = duration(value)
    if found > 10.0:
        raise ValueError
    return found


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
    try:
        return Path(text).expanduser()
    except RuntimeError:  # the home of a user that there is not
        raise ValueError from None


def matcher(value: object) -> str:
    """As written; `core.incidents.matching` takes it apart."""
    parse_matcher(_text(value))
    return _text(value)


def zone(value: object) -> str:
    """A name of the IANA time zone database."""
    text = _text(value)
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, OSError):  # a folder of the database is an OSError
        raise ValueError from None
    return text


def days(value: object) -> str:
    """ "mon" or "mon-fri"; a range may go over the end of the week."""
    weekdays(_text(value))
    return _text(value)


def weekdays(text: str) -> frozenset[int]:
    """Days of the week, Monday is 0. Raises ValueError."""
    first, dash, last = text.strip().lower().partition("-")
    start = _DAY_NAMES.index(first.strip())
    end = _DAY_NAMES.index(last.strip()) if dash else start
    return frozenset((start + ahead) % 7 for ahead in range((end - start) % 7 + 1))


def hours(value: object) -> str:
    minutes_of_day(_text(value))
    return _text(value)


def minutes_of_day(text: str) -> tuple[int, int]:
    """From and to of "09:00-17:00" or "22:00-06:00", in minutes of the day. Raises ValueError."""
    found = _HOURS.fullmatch(text)
    if not found:
        raise ValueError
    h1, m1, h2, m2 = map(int, found.groups())
    start, end = 60 * h1 + m1, 60 * h2 + m2
    if m1 > 59 or m2 > 59 or start >= 1440 or end > 1440 or start == end:
        raise ValueError
    return start, end


def dates(value: object) -> str:
    first_and_last(_text(value))
    return _text(value)


def first_and_last(text: str) -> tuple[date, date]:
    """The days of "2026-12-24" or "2026-12-24/2026-12-26". Raises ValueError."""
    first, slash, last = text.strip().partition("/")
    start = date.fromisoformat(first)
    end = date.fromisoformat(last) if slash else start
    if end < start:
        raise ValueError
    return start, end


def moment(value: object) -> str:
    """A local time such as "2026-12-24T09:00"; it has no zone, because the place has one."""
    text = value.isoformat() if isinstance(value, datetime) else _text(value)
    if datetime.fromisoformat(text).tzinfo is not None:
        raise ValueError
    return text


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


Window = Annotated[float, Reads(window, 'a duration of at most 10s, such as "50ms"')]
Duration = Annotated[float, Reads(duration, 'a duration such as "90s", "10m", "2h" or "7d"')]
PageRate = Annotated[float, Reads(pages_a_week, 'a rate such as "1/week", "2/day" or "1/month"')]
Listen = Annotated[str, Reads(listen, 'HOST:PORT, such as "127.0.0.1:8420" or "[::1]:8420"')]
WebAddress = Annotated[str, Reads(web_address, 'an address such as "https://overloop.example.org"')]
File = Annotated[Path, Reads(path, "the path of a file or folder")]
Variable = Annotated[str, Reads(variable, 'the name of an environment variable, such as "ONCALL_URL"', private=True)]
MatcherText = Annotated[str, Reads(matcher, 'a matcher such as model="fraud-eu" or severity=~"high|critical"')]
Zone = Annotated[str, Reads(zone, 'an IANA time zone such as "Europe/Berlin" or "UTC"')]
Days = Annotated[str, Reads(days, 'a day or a range of days such as "sat" or "mon-fri"')]
Hours = Annotated[str, Reads(hours, 'hours such as "09:00-17:00" or, over midnight, "22:00-06:00"')]
Dates = Annotated[str, Reads(dates, 'a date such as "2026-12-24" or first and last, "2026-12-24/2026-12-26"')]
Moment = Annotated[str, Reads(moment, 'a time on the clock of its zone, such as "2026-12-24T09:00"')]
Credential = Annotated[str, Reads(credential, 'the name of a credential, such as "receiver_oncall"', private=True)]
