"""How a rule stands on a model, in words: since when, how near to tripping, what it cannot see."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from monitor.core.incidents.words import clock_text, number_text
from monitor.core.rules.wording import counted, duration

SHOWN = 3  # segments or series that are named
SERIES = 12  # the same of rules under the page budget, those nearest to tripping first
PAGES = "the page budget"
STATES = {
    "warming": "still learning what is normal",
    "watching": "watching",
    "latched": "waiting for a person to close the incident",
    "disabled": "switched off after a failure",
}


def sentences(about: dict[str, Any], model: str) -> list[str]:
    """Whole sentences from what `Watcher.describe` answers."""
    if about.get("since") is None:
        said = [f"No event of {model} has concerned it yet."]
        return said + (
            ["A reference was given to it: it watches from the first event on."] if about.get("waiting") else []
        )
    kind = about.get("kind") or about.get("detects")
    said = [f"It has watched {model} since {clock_text(about['since'])}."]
    if kind == "absent":
        said += _absent(about)
    elif kind == "quality":
        said += _quality(about)
    elif is_budgeted(about):
        said += _budget(about)
    elif "references" in about:
        said += _vector(about)
    elif "nearest" in about:
        said += _stream(about)
    else:
        said += _level(about)
    notes = [] if is_budgeted(about) else about.get("notes", ())  # there each series says its own
    return said + list(_limits(about)) + [_sentence(note) for note in notes]


def is_budgeted(about: dict[str, Any]) -> bool:
    """Whether it is what a rule under the page budget says of itself."""
    return str(about.get("with", "")).startswith(PAGES)


def series(about: dict[str, Any]) -> list[str]:
    """Of a rule under the page budget: a paragraph for each series, those nearest to tripping first."""
    from monitor.core.detectors.budget.tell import row_sentences

    if not is_budgeted(about):
        return []
    rows = sorted(about["references"], key=lambda row: row.get("now") or 0.0, reverse=True)
    told = [" ".join(row_sentences(row)) for row in rows[:SERIES]]
    if len(rows) > SERIES:
        told.append(f"{len(rows) - SERIES:,} more series, farther from tripping, are shown by `-o json`.")
    return told


def _level(about: dict[str, Any]) -> Iterator[str]:
    ((side, limit),) = [(k, v) for k, v in about["limit"].items() if k in ("above", "below")]
    share = about["kind"] in ("share", "compare") or about["of"].startswith("share(")
    if not about["whole_window"]:
        yield f"Its window of {duration(about['over'])} is not full yet: it counts what has come so far."
    for row in about["worst"][:SHOWN]:
        if not row["n"]:
            yield f"At {clock_text(row['at'])}{_where(row['segment'])} there was no event in its window."
            continue
        beyond = f"{side} the limit of {_amount(limit, share)}"
        now = {
            "yes": f"{beyond}: it trips",
            "no": f"not {beyond}",
            "unknown": f"too few to compare it with the limit of {_amount(limit, share)}",
        }
        unknown = f", {row['unknown']:,} more are unknown" if row.get("unknown") else ""
        yield (
            f"At {clock_text(row['at'])}{_where(row['segment'])} the value was {_amount(row['value'], share)} over "
            f"{counted(row['n'], 'event')}{unknown}, {now[row['holds']]}."
        )
    if about.get("late"):
        were = "was" if about["late"] == 1 else "were"
        yield f"{counted(about['late'], 'event')} came too late for its window and {were} left out."


def _absent(about: dict[str, Any]) -> Iterator[str]:
    limit = duration(about["limit"]["above"])
    for row in about["worst"][:SHOWN]:
        if row["value"] is not None:
            trips = "it trips" if row["holds"] == "yes" else f"it trips after {limit}"
            yield (
                f"At {clock_text(row['at'])}{_where(row['segment'])} the last of {row['n']:,} {about['of']} was "
                f"{duration(float(round(row['value'])))} old; {trips}."
            )


def _stream(about: dict[str, Any]) -> Iterator[str]:
    yield from _states(
        about, "series", f"each learns from its first {about['parameters'].get('warm_up', 0):,.0f} values"
    )
    for row in [r for r in about["nearest"] if r["mean_now"] is not None][:SHOWN]:
        where = f"{row['column']}{_where(row['segment'])}" + (f" in version {row['version']}" if row["version"] else "")
        if about["detects"] == "harm":
            yield f"`{row['column']}`{_where(row['segment'])} holds for {row['mean_now']:.1%} of the last answers."
        else:
            mean, away = number_text(row["mean_now"]), _away(row["effect_now"])
            yield f"The last values of {where} have a mean of {mean}, {away}."
    unit = "" if about["detects"] == "harm" else " standard deviations"
    least = f"{about['least_effect']:.1%}" if about["detects"] == "harm" else f"{about['least_effect']:.2g}{unit}"
    yield f"A change of less than {least} is never reported."


def _budget(about: dict[str, Any]) -> Iterator[str]:
    yield f"Its part of the page budget: {about['budget']}."
    version = about["reference_version"]
    if version and not about["references"]:
        yield f"It starts anew with version {version} of the reference: nothing that it looks at has come yet."
    elif version:
        yield f"It watches by version {version} of the model's reference."
    elif not about["references"]:
        yield "Nothing that it looks at has come yet."


def _vector(about: dict[str, Any]) -> Iterator[str]:
    yield from _states(about, "reference", f"each learns from the first {about['parameters']['learn']:,} events")
    for row in about["references"][:SHOWN]:
        if row.get("score_now") is not None:
            mean, away = number_text(row["score_now"]), _away(row["effect_now"])
            yield f"The scores of the last events{_where(row['segment'])} have a mean of {mean}, {away}."
        elif row.get("reference_events"):
            yield f"It compares each event{_where(row['segment'])} with {row['reference_events']:,} learned ones."


def _quality(about: dict[str, Any]) -> Iterator[str]:
    yield f"It has looked at {counted(about['events'], 'event')}."
    for check, counts in about["checks"].items():
        name = check.replace("_", " ")
        if counts["tripped"]:
            yield f"The check for {name} has tripped on {counted(counts['tripped'], 'column')}."
        missing = counts["columns"] - counts["ready"] - counts["idle"]
        if missing:
            yield f"The check for {name} is still learning on {counted(missing, 'column')}."
        if counts["idle"]:
            why = "too many different values" if check == "new_category" else "the first events were so themselves"
            yield f"The check for {name} says nothing on {counted(counts['idle'], 'column')}: {why}."
    idle = [check.replace("_", " ") for check, counts in about["checks"].items() if not counts["columns"]]
    if idle:
        yield f"No column calls for the checks {', '.join(idle)}."
    for column, values in about["new_values"].items():
        yield f"New values of {column}: {', '.join(values)}."


def _states(about: dict[str, Any], noun: str, learning: str) -> Iterator[str]:
    told = [f"{count:,} {STATES.get(state, state)}" for state, count in about["series"].items()]
    total = sum(about["series"].values())
    many = noun if total == 1 or noun == "series" else f"{noun}s"
    yield f"It follows {total:,} {many} with {about['with']} ({', '.join(told) or 'none yet'}); {learning}."


def _limits(about: dict[str, Any]) -> Iterator[str]:
    """What it cannot do, from what each kind says of itself."""
    frozen = about.get("frozen")
    if frozen:
        yield (
            "It is frozen"
            + (f" for {', '.join(s or 'all events' for s in frozen)}" if frozen is not True else "")
            + "."
        )
    if about.get("segments_full"):
        yield "There are more segments than it tells apart; the rest share one, called other."
    if about.get("not_watched"):
        yield "There were more columns or segments than it has room for; the rest are not watched."
    if about.get("not_numbers"):
        yield f"It sees nothing of {', '.join(about['not_numbers'])}: it does not watch values of that kind."
    if about.get("budget", "").startswith("none"):
        yield "It reports every alarm of its detector: no page budget holds it back."
    if about.get("not_covered"):
        yield f"It does not cover {about['not_covered']}."


def _where(segment: str) -> str:
    return f" where {segment}" if segment else ""


def _away(effect: float | None) -> str:
    side = "above" if (effect or 0.0) >= 0.0 else "below"
    return f"{number_text(abs(effect or 0.0))} standard deviations {side} what it learned"


def _amount(value: float | None, share: bool) -> str:
    return number_text(value) if value is None or not share else f"{value * 100:.3g}%"


def _sentence(note: str) -> str:
    return f"{note[:1].upper()}{note[1:]}{'' if note.endswith('.') else '.'}"
