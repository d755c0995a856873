"""Sections about the daemon itself: is the record whole, and was anybody watching?"""

from __future__ import annotations

from collections import Counter
from typing import Final

from monitor.core.oversight.report.facts import (
    PRESENT,
    Facts,
    Figure,
    Section,
    counted,
    lasting,
    listed,
    moment,
    written,
)

SILENT: Final = 60.0  # seconds without a step (there is one each 15) after which nobody watches


def integrity(facts: Facts) -> Section:
    """1: whether the audit log is whole."""
    found = facts.integrity
    whole = found["code"] == 0
    says = [str(found["says"]), f"Heads of the log that were signed in the period: {found['signed']}."]
    return Section(
        "integrity",
        "Integrity of the record",
        PRESENT if whole and found["signed"] else "partial" if whole else "absent",
        says,
        [Figure("entries", found["size"]), Figure("root", found["root"]), Figure("signed heads", found["signed"])],
        not_shown=[
            "That what was recorded is true, or that nothing was left out by whoever controls the machine.",
            "That the log is the one others have seen: compare its head with one that was kept elsewhere.",
        ],
    )


def coverage(facts: Facts) -> Section:
    """2: when nobody watched. Counted from when the model was first seen to when the report was made."""
    began = None if facts.seen is None else moment(facts.seen["first_seen"])
    if facts.seen is None or began is None or began >= facts.stop:
        says = [f"No event of {facts.model} had been seen by the end of the period."]
        return Section("coverage", "Coverage", "absent", says, not_shown=["Whether the model was in use."])
    start = max(began, facts.start)
    gaps = _union(facts, start)
    blind, period = sum(until - since for since, until in gaps), max(facts.stop - start, 1.0)
    losses = [text for entry in facts.of("gap") for text in entry["body"].get("losses", ())]
    aside = sum(1 for _ in facts.of("quarantined"))
    says = [f"Watched: all but {lasting(blind)} of {lasting(facts.stop - start)}."]
    if began > facts.start:
        says.append(f"The model was first seen {written(began)}; what was before is not counted.")
    says += [f"Lost: {text}" for text in losses[:20]]
    if aside:
        says.append(f"On {counted(aside, 'occasion')} events could not be observed and were set aside.")
    return Section(
        "coverage",
        "Coverage",
        "absent" if blind > 0.5 * period else "partial" if losses or aside or blind > 0.01 * period else PRESENT,
        says,
        [
            Figure("watched, of the time since it was first seen", 1 - blind / period),
            Figure("blind seconds", round(blind)),
            Figure("gaps", len(gaps)),
            Figure("restarts", sum(1 for _ in facts.of("engine_started"))),
            Figure("events of the model since it was first seen", facts.seen["events"]),
        ],
        [{"from": written(since), "to": written(until), "blind": lasting(until - since)} for since, until in gaps[:50]],
        ["Events that never reached the daemon: only whoever sends them can count those."],
    )


def _union(facts: Facts, start: float) -> list[tuple[float, float]]:
    """The times from `start` on in which nobody watched, those that touch made one; the one that still lasts, too."""
    found = [(facts.watched_until, facts.stop)] if facts.stop - facts.watched_until > SILENT else []
    for entry in facts.of("gap"):
        since, until = (entry["body"].get(name) for name in ("from", "to"))
        if isinstance(since, int | float) and isinstance(until, int | float):
            found.append((float(since), float(until)))
    merged: list[tuple[float, float]] = []
    for since, until in sorted((max(since, start), min(until, facts.stop)) for since, until in found):
        if since >= until:
            continue
        if merged and since <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(until, merged[-1][1]))
        else:
            merged.append((since, until))
    return merged


def plan(facts: Facts) -> Section:
    """3: the rules in force, the safe state, who oversees."""
    severities = Counter(rule["severity"] for rule in facts.rules if rule["stage"] == "live")
    shadow = sum(rule["stage"] == "shadow" for rule in facts.rules)
    overseers = [user for user in facts.users if user["role"] in ("operator", "supervisor", "admin")]
    roles = Counter(user["role"] for user in overseers)
    says = [
        f"{counted(len(facts.rules), 'rule')} watch {facts.model}: "
        + (
            ", ".join(
                f"{severities[name]} {name}" for name in ("critical", "high", "medium", "low") if severities[name]
            )
        )
        + (f", {shadow} in shadow." if shadow else "."),
        f"The page budget is {facts.false_pages:g} a week.",
        *(
            f"Safe state behind a halt, by the pack {pack}: {fallback}."
            if fallback
            else f"The pack {pack} names no safe state."
            for pack, fallback in facts.fallbacks.items()
        ),
        f"Overseers: {listed([f'{count} {role}' for role, count in sorted(roles.items())])}.",
    ]
    changes = sum(1 for _ in facts.of("book_loaded"))
    complete = facts.rules and overseers and all(facts.fallbacks.values())
    return Section(
        "plan",
        "Oversight plan",
        PRESENT if complete else "partial" if facts.rules else "absent",
        says,
        [
            Figure("rules", len(facts.rules)),
            Figure("rules that gate", sum(bool(rule["gate"]) for rule in facts.rules)),
            Figure("overseers", len(overseers)),
            Figure("rule books loaded", changes),
        ],
        list(facts.rules),
        ["Training of overseers and its expiry: not recorded.", "Rules as they were before the newest change."],
    )
