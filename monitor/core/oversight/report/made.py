"""All sections in order, the map to what laws and standards ask, and what the whole does not show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from monitor.core.oversight.report import people, stopping, watching
from monitor.core.oversight.report.facts import PRESENT, Facts, Section, Status, written

FORMAT: Final = 1


def make_report(facts: Facts, crosswalks: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Plain data: what is printed, hashed and kept.

    `crosswalks`: `{name, source, as_of, rows: [{ref, asks, sections}]}`. A row without sections asks for something
    that this program has no evidence of, whatever happened.
    """
    sections = [
        watching.integrity(facts),
        watching.coverage(facts),
        watching.plan(facts),
        people.alerts(facts),
        people.response(facts),
        people.actions(facts),
        people.not_recorded("supervisor", "Supervisors", "Known cases were not given to supervisors."),
        people.not_recorded("missed", "What was missed", "No sample of answers without an alert was looked at."),
        stopping.stopping(facts),
        people.fairness(facts),
        people.not_recorded("serious", "Serious incidents", "Clocks of reports to authorities are not kept here."),
    ]
    statuses = {section.id: section.status for section in sections}
    return {
        "report": "oversight",
        "format": FORMAT,
        "model": facts.model,
        "period": {"from": written(facts.start), "to": written(facts.stop)},
        "made_at": written(facts.made_at),
        "audit": {"size": facts.integrity["size"], "root": facts.integrity["root"]},
        "sections": [_plain(number, section) for number, section in enumerate(sections, 1)],
        "crosswalks": [_mapped(crosswalk, statuses) for crosswalk in crosswalks],
        "not_shown": [
            "This report lists evidence. It does not say that any law is complied with: a person has to judge that.",
            "It covers what reached the daemon, from the time it was first started.",
        ],
    }


def _plain(number: int, section: Section) -> dict[str, Any]:
    return {"number": number, **asdict(section)}


def _mapped(crosswalk: Mapping[str, Any], statuses: Mapping[str, Status]) -> dict[str, Any]:
    rows = [{**row, "status": _together([statuses[name] for name in row["sections"]])} for row in crosswalk["rows"]]
    return {**crosswalk, "rows": rows}


def _together(statuses: Sequence[Status]) -> Status:
    """Of several sections: present if all that apply are, absent if none is."""
    apply = [status for status in statuses if status != "not applicable"]
    if not apply:
        return "not applicable" if statuses else "absent"
    if all(status == PRESENT for status in apply):
        return PRESENT
    return "absent" if all(status == "absent" for status in apply) else "partial"
