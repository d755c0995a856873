"""9: gates that were tightened and loosened, by whom, and how fast services followed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from monitor.core.oversight.report.facts import (
    PRESENT,
    Facts,
    Figure,
    Section,
    Status,
    counted,
    moment,
    quantile,
    share,
)
from monitor.core.oversight.scopes import DRILL

_GATED: Final = ("auto", "review", "halt")
_STEPS: Final = ("gate_set", "gate_release_asked", "break_glass", "drill")


def stopping(facts: Facts) -> Section:
    """The stop button: used, rehearsed, and followed."""
    changes = [e for e in facts.of("gate_set") if e["body"].get("to") != e["body"].get("from") and not _drilled(e)]
    halts = [entry for entry in changes if entry["body"].get("to") == "halt"]
    loosened = [e for e in changes if _strict(e["body"].get("to")) < _strict(e["body"].get("from"))]
    machine = sum(entry["actor"] == "machine" for entry in loosened)
    acks, drills = list(facts.of("gate_ack")), list(facts.of("drill"))
    took = [seconds for entry in halts for seconds in _followed(entry, acks)]
    status: Status = (
        PRESENT if drills or (halts and acks) else "partial" if changes or any(facts.fallbacks.values()) else "absent"
    )
    return Section(
        "stopping",
        "Stop control",
        status,
        [
            f"The gate was changed {counted(len(changes), 'time')}, {len(halts)} of them to halt.",
            f"It was loosened {counted(len(loosened), 'time')}, {machine} of them by the machine (must be 0).",
            f"Services said {counted(len(acks), 'time')} that they follow it. Drills in the period: {len(drills)}.",
            *_speed(took),
            *(_drill_said(entry) for entry in drills[-3:]),
        ],
        [
            Figure("changes", len(changes)),
            Figure("halts", len(halts)),
            Figure("drills", len(drills)),
            Figure("halts followed, p95 seconds", _rounded(quantile(took, 0.95))),
            Figure("halts ended by breaking the glass", sum(1 for _ in facts.of("break_glass"))),
            share("drills passed", sum(bool(e["body"].get("passed")) for e in drills), len(drills)),
        ],
        [_row(entry) for entry in facts.of(*_STEPS) if entry["kind"] == "drill" or not _drilled(entry)],
        ["How fast a halt reached services that do not say so: those that read a file, or a flag by OpenFeature."],
    )


def _followed(halt: Mapping[str, Any], acks: list[Mapping[str, Any]]) -> list[float]:
    """Seconds from a halt until each service said that it follows: by the first word of each at or past it."""
    number, since, first = int(halt["body"].get("generation", 0)), moment(halt["at"]) or 0.0, dict[str, float]()
    for ack in acks:
        body, at = ack["body"], moment(ack["at"]) or 0.0
        if at >= since and int(body.get("generation", -1)) == number:
            first.setdefault(str(body.get("client")), at - since)
    return list(first.values())


def _speed(took: list[float]) -> list[str]:
    if not took:
        return []
    p50, p95, most = quantile(took, 0.5) or 0.0, quantile(took, 0.95) or 0.0, max(took)
    return [f"From a halt to a service's word that it follows: p50 {p50:.2f} s, p95 {p95:.2f} s, at most {most:.2f} s."]


def _drill_said(entry: Mapping[str, Any]) -> str:
    body = entry["body"]
    how = f"{body.get('acknowledged')} of {body.get('clients')} services followed"
    silent = ", ".join(str(name) for name in body.get("silent") or ())
    return f"Drill of {entry['at']} by {entry['actor']}: {how}" + (f"; not heard of: {silent}." if silent else ".")


def _row(entry: Mapping[str, Any]) -> dict[str, Any]:
    body, what = entry["body"], entry["kind"].replace("_", " ")
    followed = f"{body.get('acknowledged')} of {body.get('clients')} followed" if "clients" in body else None
    return {
        "at": entry["at"],
        "by": entry["actor"],
        "what": what,
        "from": body.get("from"),
        "to": body.get("to"),
        "scope": body.get("scope"),
        "reason": body.get("reason") or followed,
    }


def _drilled(entry: Mapping[str, Any]) -> bool:
    """Whether it is a part of a rehearsal, which the rehearsal's own entry sums up."""
    return str(entry["body"].get("scope", "")).endswith(f";operation={DRILL}")


def _strict(state: object) -> int:
    return _GATED.index(str(state)) if state in _GATED else 0


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
