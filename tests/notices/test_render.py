from __future__ import annotations

from typing import Any, get_args

import pytest
from deciding import HOUR, T0, a_row, an_incident
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.incidents.model import Incident
from monitor.core.notices.keys import notice_key, recorded_notice
from monitor.core.notices.model import Kept, Notice, NoticeState, Reason
from monitor.core.notices.render import Links, Message, render

HEAD = (4711, "0123456789abcdef" * 4)


def message(reason: str, incident: Incident | None = None, evidence: Any = None, url: str | None = None) -> Message:
    incident = incident or an_incident()
    notice = recorded_notice(notice_key(incident.id, reason, incident.occurrence, 0, "phone"))
    rows = [a_row()] if evidence is None else evidence
    return render(notice, incident, rows, Links(url or "https://overloop.example"), HEAD)


def test_a_page_says_everything_a_person_woken_at_night_needs() -> None:
    said = message("opened", an_incident(runbook_url="https://wiki/x", owner="risk-oncall"))
    assert said.title == "New incident: fraud-eu, LowConfidence (high)"
    assert said.severity == "high"
    assert said.body == (
        "A person is needed: an incident of severity high is open.\n\n"
        "Too many answers of fraud-eu are unsure.\n\n"
        "What was seen:\n"
        "- mean of output.score is 0.43, limit 0.21 (1,200 events), at 2027-01-15 08:00:00 UTC\n\n"
        "What it means: The model is unsure.\n\n"
        "What to do: Look at the newest inputs.\n\n"
        "Runbook: https://wiki/x\n\n"
        "Model: fraud-eu version 3\n"
        "Owner: risk-oncall\n"
        "Rule: fraud/LowConfidence\n"
        "Noticed: 2027-01-15 08:00:00 UTC\n"
        "Incident: 11111111-1111-5111-8111-111111111111\n"
        "https://overloop.example/incidents/11111111-1111-5111-8111-111111111111\n"
        "audit 4711 01234567"
    )


def test_word_that_somebody_has_it_says_who_and_until_when() -> None:
    held = an_incident(state="acknowledged", acknowledged_by="kim", acknowledged_at=T0, acknowledged_until=T0 + HOUR)
    body = message("acknowledged", held).body
    assert "kim has it in hand since 2027-01-15 08:00:00 UTC until 2027-01-15 09:00:00 UTC." in body
    assert "What to do" not in body


@pytest.mark.parametrize(
    ("by", "verdict", "says"),
    [
        ("kim", "false", "kim closed it at 2027-01-15 08:00:00 UTC. The verdict is: false."),
        ("machine", None, "It closed by itself at 2027-01-15 08:00:00 UTC"),
    ],
)
def test_word_of_a_closing_says_who_closed_it_and_what_it_was(by: str, verdict: Any, says: str) -> None:
    closed = an_incident(state="closed", closed_by=by, closed_at=T0, verdict=verdict)
    assert says in message("closed", closed).body


def test_a_late_page_says_that_it_is_over_by_now() -> None:
    over = an_incident(state="recovered", cleared_at=T0 + 60, changed_at=T0 + 60)
    body = message("opened", over).body
    assert "The condition went away at 2027-01-15 08:01:00 UTC; this message could not be sent before." in body


def test_much_evidence_is_counted_and_a_long_text_is_cut_before_the_facts() -> None:
    rows = [a_row(column=f"inputs.c{i}") for i in range(50)]
    said = message("opened", an_incident(summary="x" * 9000, meaning="y" * 9000, action="z" * 9000), rows)
    assert "- and 45 more" in said.body
    assert len(said.body) <= 4000
    assert said.body.endswith("audit 4711 01234567")


def test_without_a_public_address_there_is_no_link() -> None:
    incident = an_incident()
    notice = recorded_notice(notice_key(incident.id, "opened", 1, 0, "phone"))
    body = render(notice, incident, [], Links(), None).body
    assert "http" not in body and "audit" not in body and incident.id in body


@given(st.sampled_from(get_args(Reason)), st.text(max_size=200), st.integers(1, 30))
def test_every_reason_renders_whatever_names_came_from_outside(reason: str, text: str, occurrence: int) -> None:
    incident = an_incident(
        model=text, version=text, summary=text, action=text, orphaned=text, occurrence=occurrence, owner=text
    )
    said = message(reason, incident, [a_row(column=text, segment=text, statistic=text)])
    assert incident.id in said.body
    assert said.title and "\n" not in said.title
    for forbidden in ("<!", "@here", "\x00", "\x1b", "\u202e"):
        assert forbidden not in said.title + said.body


def an_earlier(reason: Any, occurrence: int, at: float, state: NoticeState = "delivered") -> Kept:
    key = notice_key(an_incident().id, reason, occurrence, 0, "phone")
    return Kept(Notice(key, an_incident().id, "phone", reason, occurrence, 0, at, at), state)


@pytest.mark.parametrize(
    ("reason", "given", "says"),
    [
        (
            "again",
            {"occurrence": 16},
            "It opened and recovered 14 times since the last message, of 2027-01-15 08:00:10",
        ),
        ("again", {"occurrence": 3}, "It opened and recovered once since the last message"),
        ("recovered", {"occurrence": 16, "state": "recovered"}, "It opened and recovered 15 times since"),
        ("again", {"occurrence": 2}, None),
        ("recovered", {"occurrence": 1, "state": "recovered"}, None),
        ("repeat", {"occurrence": 16}, None),
    ],
)
def test_what_came_and_went_untold_is_summed_up(reason: Any, given: dict[str, Any], says: str | None) -> None:
    incident = an_incident(changed_at=T0 + 300, **given)
    notice = recorded_notice(notice_key(incident.id, reason, incident.occurrence, 0, "phone"))
    heard = [an_earlier("opened", 1, T0 + 5), an_earlier("recovered", 1, T0 + 10)]
    unheard = [an_earlier("again", 2, T0 + 20, "cancelled"), an_earlier("again", 2, T0 + 30, "retry")]
    body = render(notice, incident, [], Links(), None, heard + unheard).body
    assert says in body if says else "since the last message" not in body


def test_the_heading_tells_the_reasons_apart() -> None:
    assert len({message(reason).title for reason in get_args(Reason)}) == len(get_args(Reason))
