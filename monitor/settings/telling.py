"""Who is told, when, as the core takes it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from monitor.core.incidents.matching import Matcher, parse_matcher
from monitor.core.notices.escalation import Escalation, Step
from monitor.core.notices.intervals import ALL_DAYS, WHOLE_DAY, Interval
from monitor.core.notices.model import Inhibition, Maintenance, Policy, Receiver, Route
from monitor.core.notices.schedules import Rotation, Schedule, Shift
from monitor.settings import model
from monitor.settings.model import Settings
from monitor.settings.values import first_and_last, minutes_of_day, weekdays
from monitor.settings.verify import NOTIFY


def policy(settings: Settings, environ: Mapping[str, str] = os.environ) -> Policy:
    """Who is told, when.

    $OVERLOOP_NOTIFY makes one more receiver, told of everything from severity medium up beside all routes. Without
    routes every receiver is told of everything.
    """
    known = settings.receivers.items()
    receivers = [Receiver(name, r.type, r.send_resolved, r.fallback, r.ack_links) for name, r in known]
    routes = [_route(route) for route in settings.routes]
    if receivers and not routes:
        routes = [Route(tuple(settings.receivers))]
    if environ.get("OVERLOOP_NOTIFY", "").strip():
        receivers = [Receiver(NOTIFY), *receivers]
        routes = [Route((NOTIFY,), min_severity="medium", continue_=True), *routes]
    times, intervals = settings.notices, {n: _interval(i) for n, i in settings.time_intervals.items()}
    return Policy(
        tuple(receivers),
        tuple(routes),
        times.group_wait,
        times.repeat_interval,
        times.acknowledge_for,
        times.again_interval,
        intervals,
        tuple(
            Inhibition(_matchers(rule.source_matchers), _matchers(rule.target_matchers), rule.equal)
            for rule in settings.inhibit_rules
        ),
        tuple(_maintenance(window) for window in settings.maintenance),
        {name: _escalation(name, found) for name, found in settings.policies.items()},
        {name: _schedule(found, intervals) for name, found in settings.schedules.items()},
    )


def _route(route: model.Route) -> Route:
    return Route(
        route.receivers,
        dict(route.match),
        route.min_severity,
        route.continue_,
        _matchers(route.matchers),
        route.group_by,
        route.group_wait,
        route.group_interval,
        route.repeat_interval,
        route.mute_time_intervals,
        route.active_time_intervals,
        route.policy,
    )


def _interval(found: model.TimeInterval) -> Interval:
    days = frozenset(day for text in found.days for day in weekdays(text)) or ALL_DAYS
    hours = tuple(minutes_of_day(text) for text in found.hours) or WHOLE_DAY
    return Interval(ZoneInfo(found.zone), days, hours, tuple(first_and_last(text) for text in found.dates))


def _maintenance(window: model.Maintenance) -> Maintenance:
    if window.zone is None or window.starts is None or window.ends is None:
        return Maintenance(_matchers(window.matchers), window.reason, during=window.during)
    zone = ZoneInfo(window.zone)
    return Maintenance(_matchers(window.matchers), window.reason, _at(window.starts, zone), _at(window.ends, zone))


def _escalation(name: str, found: model.Escalation) -> Escalation:
    return Escalation(name, tuple(Step(step.receivers, step.wait) for step in found.steps), found.repeat)


def _schedule(found: model.Schedule, intervals: Mapping[str, Interval]) -> Schedule:
    zone = ZoneInfo(found.zone)
    rotations = tuple(
        Rotation(
            rotation.receivers,
            datetime.fromisoformat(rotation.starts),
            timedelta(seconds=rotation.shift),
            None if rotation.during is None else intervals[rotation.during],
        )
        for rotation in found.rotations
    )
    shifts = tuple(Shift(each.receiver, _at(each.starts, zone), _at(each.ends, zone)) for each in found.overrides)
    return Schedule(zone, rotations, shifts)


def _matchers(texts: tuple[str, ...]) -> tuple[Matcher, ...]:
    return tuple(parse_matcher(text) for text in texts)


def _at(local: str, zone: tzinfo) -> float:
    return datetime.fromisoformat(local).replace(tzinfo=zone).timestamp()
