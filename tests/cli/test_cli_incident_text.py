"""One incident as text, from what the API answers."""

from __future__ import annotations

from typing import Any

import pytest

from monitor.cli.incident_text import in_hand, lines, marked


@pytest.fixture
def incident() -> dict[str, Any]:
    piece = {"column": "x", "segment": "c=web", "statistic": "mean", "value": 2.0, "expected": 1.5, "n": 12}
    return {
        "id": "i",
        "state": "open",
        "severity": "high",
        "stage": "live",
        "model": "m",
        "version": None,
        "pack": "p",
        "rule": "R",
        "revision": 1,
        "opened_at": "2026-10-01T12:00:05.123456Z",
        "historical": False,
        "summary": "It moved.",
        "meaning": "M.",
        "action": "A.",
        "owner": None,
        "acknowledged_by": None,
        "evidence": [{**piece, "at": "2026-10-01T12:00:05Z"}],
        "notes": [{"at": "2026-10-01T12:01:05Z", "author": "ada", "text": "a\x1b[2J\nb"}],
        "notices": [{"at": "2026-10-01T12:01:05Z", "target": "oncall", "reason": "opened", "state": "delivered"}],
    }


def test_facts_that_are_not_known_are_left_out(incident: dict[str, Any]) -> None:
    text = "\n".join(lines(incident))
    assert "opened           2026-10-01 12:00:05 UTC" in text and "rule             p/R" in text
    for name in ("owner", "acknowledged by", "until", "verdict", "historical", "runbook"):
        assert name not in text
    incident |= {"owner": "ada", "historical": True, "runbook_url": "https://x"}
    text = "\n".join(lines(incident))
    assert "owner            ada" in text and "historical       yes" in text and "runbook          https://x" in text


def test_evidence_notes_and_messages_are_lines_without_control_characters(incident: dict[str, Any]) -> None:
    assert lines(incident)[-5:] == [
        "evidence         2026-10-01 12:00:05 UTC  mean where c=web is 2, limit 1.5 (n = 12)",
        "",
        "notes            2026-10-01 12:01:05 UTC  ada: a [2J b",
        "",
        "messages         2026-10-01 12:01:05 UTC  oncall: opened, delivered",
    ]


def test_a_condition_that_goes_on_is_shown_once_and_only_the_newest_of_many(incident: dict[str, Any]) -> None:
    (piece,) = incident["evidence"]
    incident["evidence"] = [piece] * 5
    assert sum("mean where" in line for line in lines(incident)) == 1
    incident["evidence"] = [{**piece, "value": float(k)} for k in range(25)]
    shown = [line for line in lines(incident) if "mean where" in line]
    assert len(shown) == 10 and "is 24," in shown[-1]
    assert "evidence         15 earlier pieces; -o json shows them" in lines(incident)


def test_an_owner_is_listed_with_whoever_has_the_incident_in_hand() -> None:
    assert in_hand({"owner": "risk-oncall", "acknowledged_by": "ann"}) == "risk-oncall (ann has it)"
    assert in_hand({"owner": "ann", "acknowledged_by": "ann"}) == "ann"
    assert in_hand({"owner": "risk-oncall", "acknowledged_by": None}) == "risk-oncall"
    assert in_hand({"owner": None, "acknowledged_by": None}) is None


def test_a_list_says_of_what_nobody_was_called() -> None:
    def said(stage: str, historical: bool) -> str:
        return marked({"state": "open", "stage": stage, "historical": historical})

    assert said("live", False) == "open"
    assert said("shadow", False) == "open, shadow"
    assert said("shadow", True) == "open, shadow, historical"
