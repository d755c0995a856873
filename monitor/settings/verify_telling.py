"""What the settings of who is told must be together: every name leads somewhere, every matcher can match."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from monitor.core.incidents.matching import parse_matcher, pattern_problem
from monitor.core.notices.routes import NAMES, SCHEDULE
from monitor.core.rules.model import SEVERITIES
from monitor.settings.errors import unknown
from monitor.settings.model import Maintenance, Route, Schedule, Settings
from monitor.settings.place import Key

Found = Iterator[tuple[Key, str]]
_KNOWN = (*NAMES, "labels.NAME")


def telling_contradictions(settings: Settings) -> Found:
    """What is wrong, each as the key concerned and a sentence."""
    for number, route in enumerate(settings.routes):
        yield from _route(number, route, settings)
    for number, rule in enumerate(settings.inhibit_rules):
        key, here = ("inhibit_rules", number), f"inhibit_rules[{number}]"
        for name in ("source_matchers", "target_matchers"):
            yield from _matchers((*key, name), f"{here}.{name}", getattr(rule, name))
        for each in rule.equal:
            if not _matchable(each):
                yield (*key, "equal"), f"{here}.equal: " + unknown("matcher", each, _KNOWN)
    for number, window in enumerate(settings.maintenance):
        yield from _maintenance(number, window, settings)
    for name, policy in settings.policies.items():
        for number, step in enumerate(policy.steps):
            step_key = ("policies", name, "steps", number)
            yield from _receivers(
                (*step_key, "receivers"), f"policies.{name}.steps[{number}]", step.receivers, settings
            )
            if step.wait <= 0.0:
                yield (*step_key, "wait"), f"policies.{name}.steps[{number}].wait must be longer than nothing."
    for name, schedule in settings.schedules.items():
        yield from _schedule(name, schedule, settings)


def _route(number: int, route: Route, settings: Settings) -> Found:
    key, here = ("routes", number), f"routes[{number}]"
    if not route.receivers and route.policy is None:
        yield key, f"{here} needs receivers, a list, or policy, the name of one: else it calls nobody."
    yield from _receivers((*key, "receivers"), here, route.receivers, settings)
    if route.policy is not None and route.policy not in settings.policies:
        yield (*key, "policy"), f"{here}.policy: " + unknown("policy called", route.policy, settings.policies)
    for matcher, pattern in route.match.items():
        if not _matchable(matcher):
            yield (*key, "match"), f"{here}.match: " + unknown("matcher", matcher, _KNOWN)
        if matcher == "severity" and pattern not in SEVERITIES and not set(pattern) & set("*?["):
            yield (*key, "match"), f"{here}.match: " + unknown("severity", pattern, SEVERITIES)
    yield from _matchers((*key, "matchers"), f"{here}.matchers", route.matchers)
    for each in route.group_by or ():
        if not _matchable(each):
            yield (*key, "group_by"), f"{here}.group_by: " + unknown("matcher", each, _KNOWN)
    for name in ("mute_time_intervals", "active_time_intervals"):
        for interval in getattr(route, name):
            yield from _interval((*key, name), f"{here}.{name}", interval, settings)


def _maintenance(number: int, window: Maintenance, settings: Settings) -> Found:
    key, here = ("maintenance", number), f"maintenance[{number}]"
    yield from _matchers((*key, "matchers"), f"{here}.matchers", window.matchers)
    if not window.reason.strip():
        yield (*key, "reason"), f"{here} needs a reason: others will ask why nobody was told."
    once = (window.zone, window.starts, window.ends)
    if window.during is not None:
        yield from _interval((*key, "during"), f"{here}.during", window.during, settings)
        if once != (None, None, None):
            yield key, f"{here} has during, so it comes again and again: take zone, starts and ends away."
    elif None in once:
        yield key, f"{here} needs zone, starts and ends, or else during, the name of a time interval."
    elif _ends_first(window.starts, window.ends):
        yield (*key, "ends"), f"{here} ends at {window.ends}, which is not after its start, {window.starts}."


def _schedule(name: str, schedule: Schedule, settings: Settings) -> Found:
    for number, rotation in enumerate(schedule.rotations):
        key, here = ("schedules", name, "rotations", number), f"schedules.{name}.rotations[{number}]"
        yield from _persons((*key, "receivers"), f"{here}.receivers", rotation.receivers, settings)
        if rotation.shift < 3600.0:
            yield (*key, "shift"), f"{here}.shift must be an hour or longer."
        if rotation.during is not None:
            yield from _interval((*key, "during"), f"{here}.during", rotation.during, settings)
    for number, override in enumerate(schedule.overrides):
        key, here = ("schedules", name, "overrides", number), f"schedules.{name}.overrides[{number}]"
        yield from _persons((*key, "receiver"), f"{here}.receiver", [override.receiver], settings)
        if _ends_first(override.starts, override.ends):
            yield (*key, "ends"), f"{here} ends at {override.ends}, which is not after its start, {override.starts}."


def _receivers(key: Key, here: str, names: Iterable[str], settings: Settings) -> Found:
    for name in names:
        schedule = name.removeprefix(SCHEDULE)
        if schedule == name:
            yield from _persons(key, f"{here}.receivers", [name], settings)
        elif schedule not in settings.schedules:
            yield key, f"{here}.receivers: " + unknown("schedule called", schedule, settings.schedules)


def _persons(key: Key, here: str, names: Iterable[str], settings: Settings) -> Found:
    for name in names:
        if name not in settings.receivers:
            yield key, f"{here}: " + unknown("receiver called", name, settings.receivers)


def _interval(key: Key, here: str, name: str, settings: Settings) -> Found:
    if name not in settings.time_intervals:
        yield key, f"{here}: " + unknown("time interval called", name, settings.time_intervals)


def _matchers(key: Key, here: str, texts: Iterable[str]) -> Found:
    for text in texts:
        matcher = parse_matcher(text)
        name, operator, value = matcher
        if not _matchable(name):
            yield key, f"{here}: " + unknown("matcher", name, _KNOWN)
        if problem := pattern_problem(matcher):
            yield key, f"{here}: {problem}"
        if name == "severity" and operator in ("=", "!=") and value not in SEVERITIES:
            yield key, f"{here}: " + unknown("severity", value, SEVERITIES)


def _matchable(name: str) -> bool:
    return name in NAMES or (name.startswith("labels.") and name != "labels.")


def _ends_first(starts: str | None, ends: str | None) -> bool:
    return datetime.fromisoformat(str(ends)) <= datetime.fromisoformat(str(starts))
