"""Series under a page budget, one by one: what was chosen for each and why, what it can find, what it cannot."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from monitor.core.detectors.budget.given import entry_of, takes_references
from monitor.core.detectors.budget.pool import Pool
from monitor.core.detectors.budget.series import DISABLED, LATCHED, REFUSED, BudgetSeries
from monitor.core.detectors.budget.shares import PERIOD
from monitor.core.detectors.budget.words import describe_armed
from monitor.core.detectors.keyed import Key
from monitor.core.detectors.report import clean, in_segment, number
from monitor.core.references import Fitted

SHOWN = 50
MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0


def reference_rows(
    entries: Mapping[Key, BudgetSeries],
    pool: Pool,
    told: Callable[[Key, BudgetSeries], dict[str, Any]],
    most: int = SHOWN,
    given: bool = True,
) -> list[dict[str, Any]]:
    """For programs. `finds`: points until a shift is found, about, `spacing` seconds apart; `now`: part of a page.

    `told` says of an armed series what was chosen for it, `slow_changes` None where the rule does not look for them.
    `given`: whether the rule takes references from people.
    """
    rows = []
    for key in sorted(entries)[:most]:
        version, segment, column = key
        entry = entries[key]
        row: dict[str, Any] = {"column": column, "segment": segment, "version": version, "state": entry.state}
        if entry.armed is not None:
            row |= told(key, entry)
            row |= {"share": entry.share, "now": pool.now(key)}
            blocks = entry.blocks is not None or getattr(entry.armed, "longer", None) is not None
            row |= {"blocks": blocks, "spacing": PERIOD / max(entry.armed.pace, 1e-9)}
        elif entry.state == REFUSED:
            row["refused"] = entry.note
        if entry.note and entry.state != REFUSED:
            row["note"] = entry.note
        if entry.collector is not None:
            row["collected"] = entry.collector.seen
            row["takes_reference"] = given and takes_references(entry)
        rows.append(row)
    return rows


def fitted_rows(fitted: Fitted, shift: float, outlier: float) -> list[dict[str, Any]]:
    """The same of what was fitted, as it is watched by with these two budgets (pages a week)."""
    entries = {s.key: entry_of(s, fitted.tolerance, fitted.tolerance) for s in fitted.series}
    pool = Pool(shift, outlier)
    pool.adopt(entries)

    def told(key: Key, entry: BudgetSeries) -> dict[str, Any]:
        assert entry.armed is not None
        return describe_armed(entry.armed, pool.delays(key))

    rows = reference_rows(entries, pool, told, len(entries))
    refused = {s.key: s.note for s in fitted.series if s.armed is None}
    for row, key in zip(rows, sorted(entries), strict=True):
        if key in refused:
            row |= {"state": REFUSED, "refused": refused[key]}
            row.pop("note", None)
    return rows


def row_sentences(row: Mapping[str, Any]) -> list[str]:
    """A row in whole sentences; the first names the series."""
    of = f" of version {clean(row['version'])}" if row["version"] else ""
    name = f"{clean(row['column'])}{in_segment(row['segment'])}{of}"
    if row["state"] == REFUSED:
        return [f"{name} is refused. {row['refused']}"]
    if row["state"] == DISABLED:
        return [f"{name} is off: {row.get('note', 'its detector stopped')}."]
    if "chosen" not in row:
        first = f"{name} has collected {row.get('collected', 0):,} values, and nothing is found in them yet."
        return [
            first,
            *([_noted(row["note"])] if row.get("note") else []),
            _collects(row.get("takes_reference", False)),
        ]
    said = [f"{name} is {'quiet after a page' if row['state'] == LATCHED else 'watched'}. {row['chosen']}"]
    said += _finds(row) + list(row.get("says", ()))
    if row["share"] < 1:
        said.append(f"Its reference is short of two weeks: it has {row['share']:.0%} of its part of the budget.")
    slow = row.get("slow_changes", True)  # `now` is of slow changes
    if slow and row.get("now") is not None and row["state"] != LATCHED:
        said.append(f"It is at {row['now']:.1%} of what pages.")
    if row.get("rolling"):
        said.append(row["rolling"])
    if row["state"] == LATCHED:
        said.append("It has paged and says no more for a day, or until its incident is closed.")
    return said + ([_noted(row["note"])] if row.get("note") else [])


def _finds(row: Mapping[str, Any]) -> list[str]:
    if row.get("slow_changes") is False:
        return ["A slow change is not found: that is refused for this series."] if row.get("sudden_changes") else []
    said = ["Single values are looked at, not slow changes."] if row.get("slow_changes", True) is None else []
    for size, points in row.get("finds", {}).items():
        far = size.removesuffix(" sd")
        sds = f"A shift of {far} standard deviation{'' if far == '1' else 's'}"
        what = sds if far != size else f"A rise to {size}"
        if points is None:
            said.append(f"{what} is hardly ever found.")
        else:
            unit = "blocks of values" if row["blocks"] else "values"
            said.append(f"{what} takes about {points:,.0f} {unit} to be found ({_time(points * row['spacing'])}).")
    if row.get("false_alarm_every"):
        every = f"once in {row['false_alarm_every']:,.0f} values"
        said.append(f"{row['detector']} is set so that on noise it alarms {every}.")
    if row["tolerates"] and "sudden_changes" in row:
        said.append(f"What moves by less than {number(row['tolerates'])} standard deviations is tolerated.")
    if row.get("sudden_changes") is False and "detector" not in row:
        said.append("A single strange value is not found: too many of its values are equal.")
    return said


def _time(seconds: float) -> str:
    if seconds < 2 * HOUR:
        return f"{max(seconds / MINUTE, 1):.0f} min"
    return f"{seconds / HOUR:.0f} h" if seconds < 3 * DAY else f"{seconds / DAY:.0f} d"


def _collects(takes_reference: bool) -> str:
    told = "It is watched after 7 days with half of its part of the budget and after 14 days with all of it"
    return f"{told}, or at once by what `overloop reference fit` makes of data." if takes_reference else f"{told}."


def _noted(note: str) -> str:
    return f"{note[:1].upper()}{note[1:]}{'' if note.endswith('.') else '.'}"
