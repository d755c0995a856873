"""What the daemon finds about itself goes the way of any other incident: opened, told, taken, cleared, closed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from monitor.core.selfwatch import SelfFacts, self_findings
from monitor.runtime.desk_self import judge_itself
from monitor.store.tables import notices

if TYPE_CHECKING:
    from conftest import Office


def judged(office: Office, **facts: Any) -> bool:
    at = office.clock.at
    return judge_itself(office.desk, self_findings(SelfFacts(at=at, **facts)), at)


def passes(office: Office, seconds: float) -> None:
    office.clock.at += seconds
    office.desk.deadlines(office.clock.at)


def about(office: Office) -> list[dict[str, Any]]:
    return [i for i in office.incidents() if i["pack"] == "overloop"]


def owed(office: Office) -> list[tuple[str, str]]:
    with office.database.read() as connection:
        found = connection.execute(select(notices.c.target, notices.c.reason).order_by(notices.c.created_at))
        return [(row.target, row.reason) for row in found]


def test_a_finding_opens_one_incident_that_people_are_told_of_and_that_clears(office: Office) -> None:
    assert judged(office, snapshots_failing=True)
    told = office.told
    for _ in range(50):
        passes(office, 10.0)
        judged(office, snapshots_failing=True)
    (incident,) = about(office)
    assert (incident["rule"], incident["model"], incident["state"]) == ("SnapshotsFailing", "overloop", "open")
    assert incident["summary"] == "Snapshots of what detectors remember cannot be written."
    assert ("phone", "opened") in owed(office) and len(owed(office)) == 2 and office.told > told
    assert judged(office, snapshots_failing=False)
    passes(office, 1.0)
    assert about(office)[0]["state"] == "recovered" and ("phone", "recovered") in owed(office)
    assert not judged(office, snapshots_failing=False)
    assert len(office.entries("incident_opened")) == len(office.entries("incident_recovered")) == 1


def test_a_person_acknowledges_and_closes_it_as_any_other(office: Office) -> None:
    judged(office, audit_intact=False)
    id_ = about(office)[0]["id"]
    assert about(office)[0]["severity"] == "critical"
    assert office.desk.acknowledge(id_, "ann", "operator")["state"] == "acknowledged"
    passes(office, 60.0)
    assert office.desk.close(id_, "ann", "operator")["state"] == "closed"
    for _ in range(10):
        passes(office, 60.0)
        judged(office, audit_intact=False)
    assert [i["state"] for i in about(office)] == ["closed"]  # no new call while it stays as it was


def test_what_swings_about_its_limit_is_one_incident(office: Office) -> None:
    for behind in (130.0, 130.0, 130.0, 130.0, 60.0, 130.0, 45.0, 125.0, 40.0):
        passes(office, 15.0)
        judged(office, behind=behind)
    (incident,) = about(office)
    assert incident["rule"] == "PumpBehind" and incident["state"] == "open" and incident["revision"] == 1
