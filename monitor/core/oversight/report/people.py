"""Sections about people: what they were called for, how fast they came, what they did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from monitor.core.oversight.report.facts import (
    PRESENT,
    Facts,
    Figure,
    Section,
    Status,
    counted,
    lasting,
    listed,
    moment,
    quantile,
    share,
)

CALLS: Final = ("critical", "high")  # severities that page


def alerts(facts: Facts) -> Section:
    """4: incidents, and what people called them. Of those that called a person, how many were real."""
    live = [x for x in facts.incidents if x["stage"] == "live" and not x["historical"]]
    pages = [x for x in live if x["severity"] in CALLS]
    verdicts = Counter(x["verdict"] for x in pages if x["verdict"])
    judged = verdicts["real"] + verdicts["expected"] + verdicts["false"]
    precision = share("pages that were real", verdicts["real"], judged)
    rules = Counter(f"{x['pack']}/{x['rule']}" for x in live).most_common(10)
    says = [
        f"{counted(len(pages), 'incident')} called a person, {counted(len(live) - len(pages), 'other')} did not.",
        f"People judged {judged + verdicts['unclear']} of those that did: {listed(_counts(verdicts))}.",
    ]
    whole = bool(facts.rules) and judged == len(pages)
    status: Status = PRESENT if whole else "partial" if judged else "absent"
    return Section(
        "alerts",
        "Alerts",
        status,
        says,
        [
            Figure("pages", len(pages)),
            Figure("pages a week", len(pages) * 604_800 / (facts.stop - facts.start)),
            precision,
        ],
        [{"rule": rule, "incidents": count} for rule, count in rules],
        ["Changes that no rule saw. What nobody judged may be real or not."],
    )


def response(facts: Facts) -> Section:
    """5: how long incidents that called a person waited for one."""
    pages = [x for x in facts.incidents if x["stage"] == "live" and not x["historical"] and x["severity"] in CALLS]
    waited = [_waited(x) for x in pages]
    taken = [seconds for seconds in waited if seconds is not None]
    sent = Counter(notice["state"] for x in facts.incidents for notice in x["notices"])
    says = [
        _answered(taken, len(pages)),
        f"Messages: {sent['delivered']} delivered, {sent['dead']} given up, {sent['unknown']} of unknown arrival.",
    ]
    status: Status = (
        "not applicable" if not pages else PRESENT if len(taken) == len(pages) else "partial" if taken else "absent"
    )
    return Section(
        "response",
        "Response",
        status,
        says,
        [
            share("acknowledged", len(taken), len(pages)),
            Figure("seconds to acknowledge, median", quantile(taken, 0.5)),
            Figure("seconds to acknowledge, 95 %", quantile(taken, 0.95)),
            Figure("longest", max(taken, default=None)),
        ],
        [_page(x, seconds) for x, seconds in zip(pages[:100], waited, strict=False)],
        ["How long people looked at an incident before they acted."],
    )


def _answered(taken: list[float], pages: int) -> str:
    if not pages:
        return "Nobody was called, so nobody had to answer."
    if not taken:
        return f"Of {counted(pages, 'call')} none was acknowledged."
    half, most = (lasting(quantile(taken, part)) for part in (0.5, 0.95))
    return (
        f"Of {counted(pages, 'call')} {len(taken)} were acknowledged: half of them within {half}, 95 % within {most}."
    )


def _waited(incident: Mapping[str, Any]) -> float | None:
    opened, taken = moment(incident["opened_at"]), moment(incident["acknowledged_at"])
    return None if opened is None or taken is None else max(taken - opened, 0.0)


def _page(incident: Mapping[str, Any], seconds: float | None) -> dict[str, Any]:
    return {
        "opened": incident["opened_at"],
        "rule": f"{incident['pack']}/{incident['rule']}",
        "severity": incident["severity"],
        "state": incident["state"],
        "summary": incident["summary"],
        "acknowledged by": incident["acknowledged_by"],
        "after": lasting(seconds),
        "verdict": incident["verdict"],
    }


def actions(facts: Facts) -> Section:
    """6: what people set aside, and why."""
    verbs = Counter(x["verb"] for x in facts.overrides)
    reasons = Counter(x["reason"] for x in facts.overrides).most_common(10)
    acts = Counter(entry["kind"] for entry in facts.of("acknowledged", "note", "assigned", "verdict", "silence_added"))
    accepted = sum(1 for _ in facts.of("reference_accepted"))
    says = [
        f"Answers set aside: {len(facts.overrides)} ({listed(_counts(verbs))}).",
        f"Otherwise people acted {counted(acts.total(), 'time')} on incidents.",
        f"They took the present for the new normal {counted(accepted, 'time')}.",
    ]
    return Section(
        "actions",
        "What people did",
        PRESENT if facts.overrides or acts else "absent",
        says,
        [Figure(verb, verbs[verb]) for verb in ("not_use", "disregard", "override", "reverse")],
        [{"reason": reason, "answers": count} for reason, count in reasons],
        [
            "Whether an override was right: its outcome is not followed up.",
            "A low rate of overrides is no success by itself: it can mean that nobody looked.",
        ],
    )


def _counts(counts: Counter[str]) -> list[str]:
    return [f"{count} {name}" for name, count in sorted(counts.items())]


def fairness(facts: Facts) -> Section:
    """10: whether groups are compared at all, and what was found."""
    rules = [rule["rule"] for rule in facts.rules if rule["form"] == "parity"]
    if not rules:
        says = [f"No rule compares groups of {facts.model}."]
        return Section("fairness", "Fairness", "absent", says, not_shown=["Whether groups are treated alike."])
    found = [x for x in facts.incidents if f"{x['pack']}/{x['rule']}" in rules]
    says = [f"Compared by {listed(rules)}; {counted(len(found), 'incident')} in the period."]
    rows = [
        {"opened": x["opened_at"], "column": e["column"], "segment": e["segment"], "value": e["value"], "n": e["n"]}
        for x in found
        for e in x["evidence"][:3]
    ]
    limits = ["Groups that no rule names. A ratio below a limit is a flag, no verdict."]
    return Section("fairness", "Fairness", PRESENT, says, rows=rows, not_shown=limits)


def not_recorded(id_: str, title: str, why: str) -> Section:
    """What a full report would have and this daemon does not record."""
    return Section(id_, title, "absent", [why], not_shown=["Anything about it."])
