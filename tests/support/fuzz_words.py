"""Targets: small texts that people and other programs write: times, durations, matchers, patterns, hours."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable

from fuzzing import Target, text

from monitor.core.incidents.matching import fit, parse_matcher, pattern_problem, written
from monitor.core.notices.clean import clean
from monitor.core.rules.paths import path_problem
from monitor.core.rules.pattern_syntax import PatternError
from monitor.core.rules.patterns import Pattern
from monitor.core.rules.quantities import (
    QuantityError,
    parse_duration,
    parse_factor,
    parse_number,
    parse_ratio,
    parse_share,
)
from monitor.core.times import parse_time, rfc3339
from monitor.delivery.address import web_address
from monitor.delivery.apprise_target import TargetError, open_target
from monitor.delivery.patience import retry_after
from monitor.delivery.redaction import Redactor, telling_parts
from monitor.settings import values


def _quantities(data: bytes) -> None:
    for read in (parse_duration, parse_number, parse_share, parse_ratio, parse_factor):
        try:
            found = read(text(data))
        except QuantityError as refused:
            assert refused.message and refused.fix
        else:
            assert found == found and abs(found) != float("inf"), (read, data)


def _time(data: bytes) -> None:
    try:
        at = parse_time(text(data))
    except ValueError as refused:
        assert str(refused).endswith(".")
        return
    assert abs(parse_time(rfc3339(at)) - at) < 1e-4  # what a float of the year 9999 can say


def _settings_values(data: bytes) -> None:
    read: list[Callable[[object], object]] = [
        values.duration, values.pages_a_week, values.listen, values.web_address, values.path, values.matcher, values.zone,
        values.days, values.hours, values.dates, values.moment, values.variable, values.credential,
    ]  # fmt: skip
    for one in read:
        try:
            one(text(data))
        except ValueError:
            continue


def _matcher(data: bytes) -> None:
    try:
        matcher = parse_matcher(text(data))
    except ValueError as refused:
        assert str(refused).endswith(".")
        return
    assert parse_matcher(written(matcher)) == matcher
    problem = pattern_problem(matcher)
    assert problem is None or problem[-1] in ".?"
    for value in ("", "fraud-eu", "a" * 200):
        fit([matcher], {matcher[0]: value})


def _pattern(data: bytes) -> None:
    try:
        pattern = Pattern(text(data))
    except PatternError as refused:
        assert refused.message and refused.fix
        return
    for value in ("", "fraud-eu", "aab" * 200):
        pattern.search(value)


def _words(data: bytes) -> None:
    said = text(data)
    path_problem(said, wildcards=True)
    for lines in (False, True):
        assert len(clean(said, 50, lines)) <= 50
    head, _, date = said.partition("\n")
    wait = retry_after(head, date)
    assert wait is None or 0.0 <= wait <= 3600.0


def _receiver(data: bytes) -> None:
    """The address of a receiver, as the environment holds it."""
    said = text(data).replace("\0", "")
    assert Redactor(said).clean("nothing") is not None
    assert said in telling_parts(said)
    try:
        label = web_address(said).label
        assert label.startswith("http")
    except ValueError as refused:
        assert len(said) < 9 or said not in str(refused)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Apprise and what it imports
            open_target(said)
    except TargetError as refused:
        assert str(refused)[-1] in ".?"


def _client_reply(data: bytes) -> None:
    """What a gate is told, in a model service, and what it kept of it: read, or None."""
    from monitor.client.gate_reading import STATES, from_json, read
    from monitor.client.http import Reply

    reply = Reply(200, {"retry-after": text(data)[:40]}, data)
    reply.wait()
    assert isinstance(reply.detail(), str)
    found = read(reply.json())
    assert found is None or (found.state in STATES and from_json(found.to_json()) == found)
    kept = from_json(text(data))
    assert kept is None or kept.state in STATES


GATE = {"state": "review", "reason": "r", "generation": 3, "epoch": "e", "lease_seconds": 30}
TARGETS = (
    Target("quantity", _quantities, (b"15m", b"1h30m", b"5%", b"0.05", b"1e3", b"< 5", b"1_000"), most=1 << 13),
    Target(
        "time", _time, (b"2026-11-24T08:00:00Z", b"2026-11-24T08:00:00.123456+05:30", b"20261124T08Z"), most=1 << 13
    ),
    Target(
        "settings-value",
        _settings_values,
        (
            b"1h30m",
            b"1/week",
            b"127.0.0.1:8420",
            b"[::1]:0",
            b"https://a.b:8/c",
            b"~/x",
            b'model=~"a|b"',
            b"Europe/Berlin",
            b"mon-fri",
            b"22:00-06:00",
            b"2026-12-24/2026-12-26",
            b"2026-12-24T09:00",
            b"ONCALL_URL",
        ),
        most=1 << 13,
    ),
    Target("matcher", _matcher, (b'model="fraud-eu"', b"severity=~high|critical", b'a.b!~"x\\"y"'), most=1 << 13),
    Target(
        "pattern", _pattern, (b"^(a|b)+[^0-9x]{2,3}$", b"(?i)fraud-.*", b"\\d+\\.\\w*?", b"[a-z]{1,50}"), most=1 << 12
    ),
    Target(
        "words",
        _words,
        (b"inputs.*", b"120\nTue, 24 Nov 2026 08:00:00 GMT", b"@here <!channel> \x1b[31m"),
        most=1 << 13,
    ),
    Target(
        "receiver-address",
        _receiver,
        (
            b"json://user:pass@127.0.0.1:1/hook?x=y",
            b"https://example.org:8443/path?q=1",
            b"mailtos://a:b@example.org?to=c@d.e",
            b"slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ",
            b"ntfys://topic",
        ),
        most=1 << 11,
    ),
    Target("gate-answer", _client_reply, (json.dumps(GATE).encode(), b'{"detail": "no"}', b"[]"), most=1 << 13),
)
