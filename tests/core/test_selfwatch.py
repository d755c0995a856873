"""What the daemon finds about itself: a fact beyond its limit holds, one below the clearing level does not."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest
from deciding import T0

from monitor.core.findings import NO, UNKNOWN, YES
from monitor.core.selfrules import PACK
from monitor.core.selfwatch import SelfFacts, self_findings

WELL: dict[str, Any] = {
    "waiting": 0,
    "room": 1000,
    "free": 100e9,
    "whole": 200e9,
    "behind": 0.0,
    "overdue": 0.0,
    "detectors_failed": 0,
    "audit_intact": True,
    "clock_jump": 0.0,
    "snapshots_failing": False,
}


def holds(**given: Any) -> dict[str, list[int]]:
    levels = self_findings(SelfFacts(at=T0, **{**WELL, **given}))
    return {level.rule.partition("/")[2]: level.holds.tolist() for level in levels}


def test_nothing_holds_while_all_is_well_and_every_rule_is_judged() -> None:
    found = holds()
    assert set(found) == {rule.name for rule in PACK.rules}
    assert all(value in ([NO], []) for value in found.values())


@pytest.mark.parametrize(
    ("rule", "fact", "above", "between", "below"),
    [
        ("SpoolFilling", "waiting", 501, 400, 250),
        ("DiskFilling", "free", 1.0e9, 1.5e9, 2e9),
        ("PumpBehind", "behind", 121.0, 60.0, 30.0),
        ("OutboxStuck", "overdue", 601.0, 100.0, 60.0),
    ],
)
def test_between_the_limit_and_the_level_of_clearing_nothing_changes(
    rule: str, fact: str, above: float, between: float, below: float
) -> None:
    assert [holds(**{fact: value})[rule] for value in (above, between, below)] == [[YES], [UNKNOWN], [NO]]


@pytest.mark.parametrize(
    ("rule", "fact", "bad"),
    [
        ("DetectorFailed", "detectors_failed", 2),
        ("AuditBroken", "audit_intact", False),
        ("ClockJumped", "clock_jump", -3600.0),
        ("SnapshotsFailing", "snapshots_failing", True),
    ],
)
def test_what_is_either_so_or_not_holds_clears_and_is_unknown_where_nobody_can_tell(
    rule: str, fact: str, bad: object
) -> None:
    assert holds(**{fact: bad})[rule] == [YES]
    assert holds(**{fact: None})[rule] == [UNKNOWN]


def test_losses_and_quarantines_count_for_an_hour() -> None:
    for rule, given in (
        ("EventsLost", {"lost_at": T0}),
        ("EventsQuarantined", {"quarantined_at": T0, "quarantined": 3}),
    ):
        assert [holds(**given)[rule], holds(**{k: v - 3601 if v == T0 else v for k, v in given.items()})[rule]] == [
            [YES],
            [NO],
        ]


def test_every_rule_has_words_of_its_own_in_whole_sentences() -> None:
    for rule in PACK.rules:
        assert set(rule.annotations) == {"summary", "meaning", "action"}
        assert all(text.endswith(".") for text in rule.annotations.values()), rule.name


def test_facts_that_nobody_read_open_nothing() -> None:
    assert {f.name for f in fields(SelfFacts)} >= set(WELL)
    assert all(YES not in level.holds.tolist() for level in self_findings(SelfFacts(at=T0)))
