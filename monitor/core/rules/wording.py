"""What a rule watches, in one sentence for people."""

from __future__ import annotations

from monitor.core.rules.model import Absent, Detect, Rule, Windowed
from monitor.core.rules.quantities import UNITS

_NAMES = {"w": "week", "d": "day", "h": "hour", "m": "minute", "s": "second"}
_DETECTED = {
    "shift": "the distribution of {columns} moves away from its reference",
    "harm": "`{of}` becomes true more often than in its reference",
    "estimated_errors": "more answers are expected to be wrong, by {columns}, than in its reference",
    "anomaly": "events are unlike those of the reference in {columns} more often than before",
    "outlier": "a single event lies far outside the reference in {columns}",
    "quality": "the data of {columns} have a defect ({checks})",
}
_PARITY = {"below": "smallest divided by the largest", "above": "largest divided by the smallest"}
_AGAINST = {"previous_version": "the version before", "previous_period": "the same span before"}


def sentence(rule: Rule) -> str:
    """`Trips when …; clears …`, without the full stop's follow-up: one whole sentence."""
    form = rule.form
    if isinstance(form, Detect):
        body = _detect(form)
    elif isinstance(form, Absent):
        body = _absent(form)
    else:
        body = _windowed(form)
    held = f", and this has held for {duration(rule.for_)}" if rule.for_ else ""
    by = getattr(form, "by", ())
    each = f", for each value of {_listed(by)} by itself" if by else ""
    return f"Trips when {body}{each}{held}."


def duration(seconds: float) -> str:
    """`90 minutes` as `1 hour 30 minutes`."""
    parts: list[str] = []
    rest = seconds
    for unit in ("w", "d", "h", "m", "s"):
        if unit == "w" and rest % UNITS["w"]:
            continue
        count = rest / UNITS[unit] if unit == "s" else rest // UNITS[unit]
        if count:
            parts.append(f"{count:g} {_NAMES[unit]}{'' if count == 1 else 's'}")
        rest -= count * UNITS[unit]
    return " ".join(parts) or "0 seconds"


def counted(number: int, noun: str) -> str:
    """`1 rule`, `2,000 rules`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def false_pages(budget: float) -> str:
    """A budget, or a part of one: `1 false page a week`, `0.3333 false pages a week`."""
    return f"{budget:.4g} false page{'' if budget == 1 else 's'} a week"


def limit(form: Windowed, value: float) -> str:
    """A limit as people read it: `5%` for shares and relative changes, `800` for the rest."""
    return f"{value * 100:g}%" if _is_relative(form) else f"{value:g}"


def _is_relative(form: Windowed) -> bool:
    return form.kind in ("share", "compare") or (form.kind == "measure" and form.of.startswith("share("))


def _detect(form: Detect) -> str:
    text = _DETECTED[form.kind].format(
        columns=_listed(form.columns), of=form.of, checks=_listed(tuple(c.replace("_", " ") for c in form.checks), "or")
    )
    return f"{text}, found by {form.method}" if form.method else text


def _absent(form: Absent) -> str:
    what = "label" if form.truth else f"value of {form.column}" if form.column else "event"
    expected = f" (also of {_listed(form.expect)} if it has never been seen)" if form.expect else ""
    return f"no {what} of a model has come for {duration(form.seconds)}{expected}"


def _windowed(form: Windowed) -> str:
    level = form.above if form.above is not None else form.below
    assert level is not None
    side = "above" if form.above is not None else "below"
    subject = {
        "share": f"the share of events with `{form.of}`",
        "count": f"the number of events with `{form.of}`",
        "measure": f"`{form.of}`",
        "parity": f"the {_PARITY[side]} rate of `{form.of}`",
        "compare": f"the change of `{form.of}` against {_AGAINST.get(form.against or '', '')}",
    }[form.kind]
    least = f" (of at least {form.min_events} events)" if form.min_events > 1 else ""
    clear = "" if form.clear in (None, level) else f", clearing only at {limit(form, form.clear or 0.0)}"
    return f"{subject} is {side} {limit(form, level)} over {duration(form.over)}{least}{clear}"


def _listed(words: tuple[str, ...], last: str = "and") -> str:
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {last} {words[-1]}"
