"""The examples of the page on the HTTP API: its `curl` blocks, each with the answer it shows, and how they are compared.

In an answer `"…"` stands for any value, a member `"…"` for members that are left out, and a last element `"…"` for
elements that are. Ids, digests and secrets are shown as stand-ins that are the same in each run; times are not compared.
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

MORE = "…"
WIDTH = 116
_EXAMPLE = re.compile(r"```text\n(?P<command>curl .*?)\n```\n\n?```http\n(?P<answer>.*?)\n```", re.DOTALL)
_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z"
_SECRET = r"ovl_[A-Za-z0-9_-]{20,}"
_OPAQUE = re.compile(
    rf"(?P<uuid>{_UUID})|(?P<time>{_TIME})|(?P<secret>{_SECRET})|(?P<digest>\b(?:[0-9a-f]{{64}}|[0-9a-f]{{16}})\b)"
)
_COUNTS = ("seq", "next", "size")  # of the audit log: what the daemon writes meanwhile stands between
_BASE = datetime(2026, 11, 24, 8, 0, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Example:
    """One `curl` and what it is said to answer."""

    command: str
    status: int
    body: Any
    answer: str  # as it stands on the page


def examples(page: str) -> list[Example]:
    found = []
    for match in _EXAMPLE.finditer(page):
        first, _, rest = match["answer"].partition("\n")
        body = json.loads(rest) if rest.strip() else MORE
        found.append(Example(match["command"], int(first.split()[0]), body, match["answer"]))
    return found


@dataclass
class StandIns:
    """What stands on the page for an id, a digest or a secret of a run: the first is always the same, and so on."""

    began: datetime
    _shown: dict[str, str] = field(default_factory=dict)
    _counts: dict[str, int] = field(default_factory=dict)

    def shown(self, value: Any) -> Any:
        """A value of an answer as it stands on the page."""
        if isinstance(value, dict):
            return {key: self.shown(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.shown(item) for item in value]
        return _OPAQUE.sub(self._stand_in, value) if isinstance(value, str) else value

    def meant(self, command: str) -> str:
        """A command of the page, with what this run calls the things it names."""
        for real, shown in self._shown.items():
            command = command.replace(shown, real)
        return command

    def _stand_in(self, match: re.Match[str]) -> str:
        text, kind = match[0], str(match.lastgroup)
        if kind == "time":
            since = datetime.fromisoformat(text) - self.began
            return f"{_BASE + timedelta(minutes=round(since.total_seconds() / 60)):%Y-%m-%dT%H:%M:%SZ}"
        if text not in self._shown:
            number = self._counts[kind] = self._counts.get(kind, 0) + 1
            self._shown[text] = _MADE[kind](f"{kind} {number}")[: len(text)]
        return self._shown[text]


_MADE: dict[str, Callable[[str], str]] = {
    "uuid": lambda name: str(uuid.uuid5(uuid.NAMESPACE_OID, name)),
    "digest": lambda name: hashlib.sha256(name.encode()).hexdigest(),
    "secret": lambda name: f"ovl_{hashlib.sha256(name.encode()).hexdigest()[:32]}",
}


def differences(expected: Any, found: Any, place: str = "answer") -> Iterator[str]:
    """Where an answer is not what the page says; both as they stand on it."""
    if expected == MORE:
        return
    if isinstance(expected, dict) and isinstance(found, dict):
        for key in expected.keys() - {MORE} - found.keys():
            yield f"{place}.{key} is on the page only"
        for key in () if MORE in expected else found.keys() - expected.keys():
            yield f"{place}.{key} = {found[key]!r} is not on the page"
        for key in expected.keys() & found.keys():
            yield from differences(expected[key], found[key], f"{place}.{key}")
    elif isinstance(expected, list) and isinstance(found, list):
        whole = expected[-1:] != [MORE]
        wanted = expected if whole else expected[:-1]
        if len(found) < len(wanted) or (whole and len(found) != len(wanted)):
            yield f"{place} has {len(found)} elements: {found!r}"
        for place_, (one, other) in enumerate(zip(wanted, found, strict=False)):
            yield from differences(one, other, f"{place}[{place_}]")
    elif not _same(expected, found, place.rpartition(".")[2]):
        yield f"{place} is {found!r}, and {expected!r} on the page"


def _same(expected: Any, found: Any, member: str) -> bool:
    """Whether two values say the same, whenever it was and however many entries the log had by then."""
    if member in _COUNTS and isinstance(expected, int):
        return isinstance(found, int)
    return bool(_timeless(expected) == _timeless(found))


def _timeless(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return re.sub(r"^\d+:(?=[0-9a-f]{64}$)", "SIZE:", re.sub(_TIME, "TIME", value))


def filled(expected: Any, found: Any, member: str = "") -> Any:
    """What was found, leaving out what the page leaves out, and leaving alone what need not change."""
    if expected == MORE or (not isinstance(found, dict | list) and _same(expected, found, member)):
        return expected
    if isinstance(expected, dict) and isinstance(found, dict) and expected:
        keys = [key for key in found if key in expected] if MORE in expected else list(found)
        kept = {key: filled(expected.get(key, found[key]), found[key], key) for key in keys}
        return {**kept, MORE: MORE} if MORE in expected else kept
    if isinstance(expected, list) and isinstance(found, list) and expected[-1:] == [MORE]:
        return [*(filled(one, other) for one, other in zip(expected[:-1], found, strict=False)), MORE]
    if isinstance(expected, list) and isinstance(found, list):
        pairs = zip(expected + found[len(expected) :], found, strict=False)
        return [filled(one, other) for one, other in pairs]
    return found


def written(status: int, body: Any) -> str:
    """An answer as it stands on the page."""
    head = f"{status} {HTTPStatus(status).phrase}"
    return f"{head}\n\n{_json(body, '')}" if body != MORE else head


def _json(value: Any, indent: str) -> str:
    flat = json.dumps(value, ensure_ascii=False)
    if len(flat) + len(indent) <= WIDTH or not isinstance(value, dict | list) or not value:
        return flat
    inner = indent + "  "
    if isinstance(value, dict):
        parts = [f"{inner}{json.dumps(key, ensure_ascii=False)}: {_json(item, inner)}" for key, item in value.items()]
    else:
        parts = [f"{inner}{_json(item, inner)}" for item in value]
    left, right = "{}" if isinstance(value, dict) else "[]"
    return f"{left}\n" + ",\n".join(parts) + f"\n{indent}{right}"
