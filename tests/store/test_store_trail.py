"""What the audit log says of one incident, and of the deploys of one model."""

from __future__ import annotations

from monitor.core.audit.entry import timestamp
from monitor.store.database import Database
from monitor.store.queries import deploys, incident_trail
from monitor.store.trail import _SEARCHED, add_deploy

KINDS = ("acknowledged", "verdict", "incident_opened")


def seqs(database: Database, incident: str, since: float, limit: int = 200) -> list[int]:
    with database.read() as connection:
        return [entry["seq"] for entry in incident_trail(connection, incident, since, KINDS, limit)]


def test_a_trail_has_the_entries_about_its_incident_in_order(database: Database) -> None:
    with database.write(100.0) as tx:
        for kind, incident in (
            ("incident_opened", "i-1"),
            ("incident_opened", "i-2"),
            ("acknowledged", "i-1"),
            ("note", "i-1"),
        ):
            tx.audit(kind, "kim", {"incident": incident, "model": "m"})
        tx.audit("verdict", "kim", {"incident": 'x","incident":"i-1'})
        tx.audit("verdict", "kim", {"why": {"incident": "i-1"}})
        tx.audit("verdict", "kim", {"incident": "i-1"})
    assert seqs(database, "i-1", 100.0) == [0, 2, 6]
    assert seqs(database, "i-1", 100.0, limit=2) == [2, 6], "the newest"
    assert seqs(database, "i-3", 0.0) == []
    assert seqs(database, "", 0.0) == []


def test_a_trail_begins_a_little_before_its_incident_was_opened(database: Database) -> None:
    for n in range(100):
        with database.write(n * 50.0) as tx:
            tx.audit("acknowledged", "kim", {"incident": "i-1"})
    assert seqs(database, "i-1", 4000.0) == list(range(79, 100))
    assert seqs(database, "i-1", 1e9) == []
    assert seqs(database, "i-1", -1e9) == list(range(100))


def test_what_nobody_needs_is_not_searched_for(database: Database) -> None:
    assert seqs(database, "i-1", 0.0) == [] and _SEARCHED >= 10_000


def test_deploys_are_those_of_one_model_the_newest_first(database: Database) -> None:
    for n, model in enumerate(('m"\\é', "m", "other", "m")):
        with database.write(100.0 + n) as tx:
            add_deploy(tx, "ci", model, f"v{n}", 50.0 - n, "by <hand>" if n == 3 else None)
            tx.audit("model_version", "machine", {"model": model, "version": "seen"})
    with database.read() as connection:
        assert deploys(connection, "m") == [
            {"version": "v3", "at": timestamp(47.0), "note": "by <hand>", "by": "ci"},
            {"version": "v1", "at": timestamp(49.0), "note": None, "by": "ci"},
        ]
        assert [d["version"] for d in deploys(connection, 'm"\\é')] == ["v0"]
        assert deploys(connection, "m", limit=1)[0]["version"] == "v3" and deploys(connection, "none") == []
