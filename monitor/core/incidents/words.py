"""What an incident says: whole sentences from a rule's annotations, or from the evidence where it has none."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from monitor.core.findings import Evidence
from monitor.core.notices.clean import clean
from monitor.core.rules.defaults import texts_of
from monitor.core.rules.model import Absent, Detect, Pack, Rule, Windowed

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_PLACEHOLDER: Final = re.compile(r"\{([a-z_]+)\}")
BROKEN: Final = "share of broken cells"  # the statistic of quality rules, whose segments are `column: check`
LIMIT: Final = 2000  # characters of a summary, meaning or action


def clock_text(at: float) -> str:
    """`2026-10-01 12:00:05 UTC`: a moment for people, to the second and with its zone."""
    try:
        return f"{_EPOCH + timedelta(seconds=math.floor(at)):%Y-%m-%d %H:%M:%S} UTC"
    except (OverflowError, ValueError):
        return f"{at} seconds since 1970 UTC"


def number_text(value: float | None) -> str:
    """A number as people write it: four significant digits, thousands separated."""
    if value is None or math.isnan(value):
        return "unknown"
    if math.isinf(value):
        return "more than any number" if value > 0 else "less than any number"
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:,.0f}" if 1e4 <= abs(value) < 1e15 else f"{value:.4g}"


def percent_text(share: float) -> str:
    """`40%`, `0.3%`: two significant digits below ten percent."""
    if not math.isfinite(share):
        return "unknown"
    return f"{share * 100:,.0f}%" if abs(share) >= 0.0995 else f"{share * 100:.2g}%"


def amount_text(statistic: str, value: float | None) -> str:
    """What was seen, or what it is held against, in the unit of its statistic: shares in percent, silence as a time."""
    if value is None or not math.isfinite(value):
        return number_text(value)
    if statistic.startswith("seconds "):
        return duration_text(round(value))
    if statistic.startswith("share") or statistic.endswith(" on the share"):
        return f"{value * 100:.3g}%" if abs(value) < 9.995 else percent_text(value)
    return number_text(value)


def standard_text(statistic: str, detail: str) -> str:
    """What the second number of evidence is: `expected`, but a `limit` of a level, or what was `before`."""
    if statistic == BROKEN or " against the previous " in statistic:
        return "before"
    return "expected" if detail else "limit"  # a detector has words of its own, a level rule has none


def duration_text(seconds: float) -> str:
    """`10 minutes`, `36 hours`, `2 days`: in the unit in which it is a handy number."""
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= 2 * length or seconds == length:
            return _count(seconds / length, unit)
    return _count(seconds, "second")


def summary(pack: Pack, rule: Rule, model: str, evidence: Evidence) -> str:
    """What happened: the rule's own summary, or a sentence from the evidence."""
    given = rule.annotations.get("summary")
    if given:
        return filled(given, pack, rule, model, evidence)
    return clean(sentence(rule, model, evidence), LIMIT)


def filled(text: str, pack: Pack, rule: Rule, model: str, evidence: Evidence) -> str:
    """An annotation with its placeholders filled in; an unknown placeholder stays as it is."""
    values: Mapping[str, str] = {
        "model": clean(model),
        "column": clean(evidence.column),
        "segment": clean(evidence.segment) or "all events",
        "value": amount_text(evidence.statistic, evidence.value),
        "expected": amount_text(evidence.statistic, evidence.expected),
        "effect": number_text(evidence.effect),
        "n": f"{evidence.n:,}",
        "statistic": clean(evidence.statistic),
        "pack": pack.name,
        "rule": rule.name,
    }
    return clean(_PLACEHOLDER.sub(lambda m: values.get(m[1], m[0]), text), LIMIT, lines=True)


def sentence(rule: Rule, model: str, evidence: Evidence) -> str:
    """What happened, value against expectation. How many events, and when, stand beside it wherever it is shown."""
    segment, detail = clean(evidence.segment), clean(evidence.detail, 500).rstrip(".")
    named = segment and segment not in detail and not _names_check(rule, evidence)
    where = f" where {segment}" if named else ""
    return f"{clean(model)}{where}: {detail or _happened(rule, evidence)}."


def comparison(evidence: Evidence) -> str:
    """`p99(context.latency_ms) where c=web is 900, limit 800 (12 events)`."""
    where = f" where {clean(evidence.segment)}" if evidence.segment else ""
    what, standard = evidence.statistic, standard_text(evidence.statistic, evidence.detail)
    expected = "" if evidence.expected is None else f", {standard} {amount_text(what, evidence.expected)}"
    n = f" ({_events(evidence.n)})" if evidence.n else ""
    if evidence.statistic == BROKEN and ": " in evidence.segment:
        return f"{_defect(evidence)}{n}"
    if evidence.value is None and evidence.detail:
        return f"{clean(evidence.detail, 500).rstrip('.')}{where}{n}"
    if what.startswith("seconds "):
        return f"{clean(what.removeprefix('seconds '))}{where} for {amount_text(what, evidence.value)}{expected}{n}"
    return f"{_quantity(evidence)}{where} is {amount_text(what, evidence.value)}{expected}{n}"


def _happened(rule: Rule, evidence: Evidence) -> str:
    form, what = rule.form, evidence.statistic
    value, expected = amount_text(what, evidence.value), amount_text(what, evidence.expected)
    column = clean(evidence.column)
    if isinstance(form, Absent):
        missing = "no label" if form.truth else f"no value of {column}" if column else "nothing"
        silent = form.seconds if evidence.value is None else round(evidence.value)
        return f"{missing} has come for {duration_text(silent)}, and {duration_text(form.seconds)} is the limit"
    if isinstance(form, Detect):
        if _names_check(rule, evidence):
            return _defect(evidence)
        return f"{_SEEN[form.kind]} {column or 'its events'}: {clean(evidence.statistic)} {value}, expected {expected}"
    assert isinstance(form, Windowed)
    if form.kind == "compare":
        return f"{_quantity(evidence)} is {value} over {duration_text(form.over)}, {_change(form, evidence)}"
    side = "above" if form.above is not None else "below"
    return f"{_quantity(evidence)} is {value} over {duration_text(form.over)}, {side} the limit of {expected}"


def _change(form: Windowed, evidence: Evidence) -> str:
    """`62% above 0.32, and 10% is the limit`: what it is compared with is no limit."""
    side, limit = ("below", form.below) if form.above is None else ("above", form.above)
    before, now = evidence.expected, evidence.value
    known = before and now is not None and math.isfinite(change := (now - before) / abs(before))
    size = f"{percent_text(abs(change))} {side}" if known else "against"
    return f"{size} {number_text(before)}, and {percent_text(abs(limit or 0.0))} is the limit"


def _defect(evidence: Evidence) -> str:
    """`inputs.pressure: no value in 40% of the latest events, against 0% of the first`."""
    column, check = clean(evidence.segment).rsplit(": ", 1)
    what = _DEFECTS.get(check, check.replace("_", " "))
    before = "" if evidence.expected is None else f", against {percent_text(evidence.expected)} of the first"
    share = "many" if evidence.value is None else percent_text(evidence.value)
    return f"{column}: {what} in {share} of the latest events{before}"


def _quantity(evidence: Evidence) -> str:
    """`mean of output.score`; the column once only."""
    what, column = clean(evidence.statistic) or "value", clean(evidence.column)
    return f"{what} of {column}" if column and column not in what else what


def _names_check(rule: Rule, evidence: Evidence) -> bool:
    """The segments of a quality rule are `column: check`."""
    return isinstance(rule.form, Detect) and rule.form.kind == "quality" and ": " in evidence.segment


_DEFECTS: Final[Mapping[str, str]] = {
    "missing": "no value",
    "vanished": "no value any more",
    "nonfinite": "NaN or infinity",
    "type_change": "a value of another type",
    "new_category": "a value never seen before",
    "constant": "the same value again",
    "out_of_range": "a value outside its range",
    "duplicate_ids": "an id that had come before",
    "clock_backwards": "a time before the one before",
    "late": "a time long past",
}
_SEEN: Final[Mapping[str, str]] = {
    "shift": "the distribution has changed of",
    "harm": "the model has become worse in",
    "estimated_errors": "more answers are expected to be wrong by",
    "anomaly": "unusual combinations of values came in",
    "outlier": "an extreme value came in",
    "quality": "the data is not as it was in",
}


def _events(n: int) -> str:
    return "1 event" if n == 1 else f"{n:,} events"


def _count(value: float, unit: str) -> str:
    text = f"{value:.0f}" if value == int(value) else f"{value:.1f}"
    return f"{text} {unit}{'' if text == '1' else 's'}"


def meaning(pack: Pack, rule: Rule, model: str, evidence: Evidence) -> str:
    """What it means and what it does not: the rule's own words, or those of its form."""
    return filled(texts_of(rule).meaning, pack, rule, model, evidence)


def action(pack: Pack, rule: Rule, model: str, evidence: Evidence) -> str:
    """What to do: the rule's own words, or those of its form."""
    return filled(texts_of(rule).action, pack, rule, model, evidence)
