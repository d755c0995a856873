from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from monitor.core.changes import Changes
from monitor.store import queries
from monitor.store.database import Database
from monitor.store.errors import Unknown
from monitor.store.facts import draw_gate_epoch, ensure_fact, get_fact, set_fact
from monitor.store.models import ModelSeen, retire_model, see_models, set_column_kind
from monitor.store.notes import add_note
from monitor.store.overrides import Override, add_override
from monitor.store.references import add_reference
from monitor.store.silences import add_silence, expire_silence


def apply(database: Database, changes: Changes, at: float = 1000.0) -> None:
    with database.write(at) as tx:
        tx.apply(changes)


def kinds(database: Database) -> list[str]:
    with database.read() as connection:
        page, _ = queries.audit_page(connection)
    return [entry["kind"] for entry in reversed(page)]


def last_entry(database: Database) -> dict[str, Any]:
    with database.read() as connection:
        (entry,), _ = queries.audit_page(connection, limit=1)
    return entry


# -- incidents ----------------------------------------------------------------------------------------------------

PINNED = {
    *("id", "state", "pack", "rule", "model", "version", "severity", "stage", "historical", "opened_at", "changed_at"),
    *("summary", "meaning", "action", "evidence", "owner", "acknowledged_by", "acknowledged_at", "verdict"),
    *("notices", "revision"),
}


def test_an_incident_in_the_list_has_exactly_the_pinned_shape(database: Database, make: Any) -> None:
    changes = make.opened("i-1", acknowledged_by="ann", acknowledged_at=150.25, opened_at=1_764_000_000.0)
    apply(database, changes)
    with database.read() as connection:
        (found,), following = queries.incidents(connection)
    assert following is None
    assert set(found) == PINNED
    assert found == {
        "id": "i-1",
        "state": "open",
        "pack": "base",
        "rule": "ScoreShift",
        "model": "fraud-eu",
        "version": "3",
        "severity": "high",
        "stage": "live",
        "historical": False,
        "opened_at": "2025-11-24T16:00:00Z",
        "changed_at": "1970-01-01T00:01:40Z",
        "summary": "The score moved.",
        "meaning": "It is higher than it was.",
        "action": "Look at it.",
        "evidence": [
            {
                "column": "output.score",
                "segment": "context.channel=web",
                "statistic": "mean",
                "value": 0.75,
                "expected": 0.5,
                "effect": 2.0,
                "interval": [0.25, 0.5],
                "n": 400,
                "at": "1970-01-01T00:01:39.500000Z",
            }
        ],
        "owner": None,
        "acknowledged_by": "ann",
        "acknowledged_at": "1970-01-01T00:02:30.250000Z",
        "verdict": None,
        "notices": [{"target": "oncall", "reason": "opened", "state": "pending", "at": "1970-01-01T00:01:40Z"}],
        "revision": 1,
    }
    assert found["historical"] is False


def test_one_incident_says_more(database: Database, make: Any) -> None:
    apply(database, make.opened("i-1", cleared_at=120.0, orphaned="the rule is gone"))
    with database.write(1001.0) as tx:
        add_note(tx, "i-1", "ann", "looking")
    with database.read() as connection:
        found = queries.incident(connection, "i-1")
        assert queries.incident(connection, "i-2") is None
        assert queries.load_incident(connection, "i-2") is None
        assert queries.load_incident(connection, "i-1") == make.incident(cleared_at=120.0, orphaned="the rule is gone")
    assert found is not None
    assert set(found) > PINNED
    assert found["evidence"][0]["detail"] == "It rose."
    assert found["cleared_at"] == "1970-01-01T00:02:00Z"
    assert found["orphaned"] == "the rule is gone"
    assert found["notes"] == [{"at": "1970-01-01T00:16:41Z", "author": "ann", "text": "looking"}]
    assert last_entry(database)["body"] == {"incident": "i-1", "text": "looking"}


def test_pages_are_complete_and_stable_whatever_comes_in_between(database: Database, make: Any) -> None:
    ids = [f"i-{number:02}" for number in range(10)]
    times = [100.0, 100.0, 101.0, 101.0, 101.0, 102.1, 103.0, 104.0, 104.0, 1_764_000_000.123457]
    apply(database, Changes(incidents={i: make.incident(i, opened_at=at) for i, at in zip(ids, times, strict=True)}))
    seen: list[str] = []
    after = None
    while True:
        with database.read() as connection:
            page, after = queries.incidents(connection, limit=3, after=after)
        seen += [incident["id"] for incident in page]
        if after is None:
            break
        apply(database, Changes(incidents={f"new-{len(seen)}": make.incident(f"new-{len(seen)}", opened_at=2e9)}))
    assert seen == sorted(ids, key=lambda i: (times[ids.index(i)], i), reverse=True)


def test_incidents_are_found_by_state_model_rule_and_change(database: Database, make: Any) -> None:
    given = {
        "a": {"state": "open", "model": "m1", "pack": "p", "rule": "R", "changed_at": 100.0},
        "b": {"state": "closed", "model": "m1", "pack": "q", "rule": "R", "changed_at": 200.0},
        "c": {"state": "acknowledged", "model": "m2", "pack": "p", "rule": "S", "changed_at": 300.0},
    }
    apply(database, Changes(incidents={id_: make.incident(id_, **rest) for id_, rest in given.items()}))

    def ids(**conditions: Any) -> set[str]:
        with database.read() as connection:
            return {incident["id"] for incident in queries.incidents(connection, **conditions)[0]}

    assert ids() == ids(states=None) == ids(states=[]) == {"a", "b", "c"}
    assert ids(states=["open", "acknowledged"]) == {"a", "c"}
    assert ids(model="m1") == {"a", "b"}
    assert ids(rule="R") == {"a", "b"}
    assert ids(rule="q/R") == {"b"}
    assert ids(since=200.0) == {"b", "c"}
    assert ids(states=["open"], model="m2") == set()
    with database.read() as connection:
        assert queries.incident_counts(connection) == {
            ("open", "high"): 1,
            ("closed", "high"): 1,
            ("acknowledged", "high"): 1,
        }


@pytest.mark.parametrize("after", ["", "x", "i-1", ":i-1"])
def test_a_place_in_the_list_that_is_none_is_refused(database: Database, after: str) -> None:
    with database.read() as connection, pytest.raises(ValueError, match="is no place in the list"):
        queries.incidents(connection, after=after)


def test_a_hot_incident_brings_only_its_newest_evidence_along(database: Database, make: Any) -> None:
    evidence = [("i-1", make.evidence(n=number)) for number in range(30)] + [("i-2", make.evidence(n=99))]
    incidents = {"i-1": make.incident("i-1"), "i-2": make.incident("i-2")}
    apply(database, Changes(incidents=incidents, evidence=evidence))
    with database.read() as connection:
        listed = {incident["id"]: incident for incident in queries.incidents(connection)[0]}
        one = queries.incident(connection, "i-1")
        assert [item.n for item in queries.load_evidence(connection, "i-1", limit=2)] == [28, 29]
    assert [piece["n"] for piece in listed["i-1"]["evidence"]] == list(range(10, 30))
    assert [piece["n"] for piece in listed["i-2"]["evidence"]] == [99]
    assert one is not None
    assert [piece["n"] for piece in one["evidence"]] == list(range(30))


# -- gates, silences ----------------------------------------------------------------------------------------------


def test_gates_carry_the_epoch_of_this_ledger(database: Database, make: Any) -> None:
    with database.read() as connection:
        assert queries.gate(connection, "never-set")["state"] == "auto"
        assert queries.load_gate(connection, "never-set") is None
    with database.write(1.0) as tx:
        epoch = draw_gate_epoch(tx)
        tx.apply(Changes(gates={"fraud-eu": make.gate(incident="i-1")}))
    with database.read() as connection:
        assert queries.gate(connection, "fraud-eu") == {
            "model": "fraud-eu",
            "scope": "fraud-eu",
            "state": "review",
            "epoch": epoch,
            "generation": 1,
            "reason": "it drifts",
            "since": "1970-01-01T00:01:40Z",
            "by": "machine",
            "incident": "i-1",
            "asked": None,
            "scopes": [],
        }
        assert [{**one, "scopes": []} for one in queries.gates(connection)] == [queries.gate(connection, "fraud-eu")]
        assert queries.load_gate(connection, "fraud-eu") == make.gate(incident="i-1")
        assert queries.gate(connection, "other")["generation"] == 0
    with database.write(2.0) as tx:
        assert draw_gate_epoch(tx) != epoch


def test_a_silence_is_kept_ended_and_both_are_on_record(database: Database, make: Any) -> None:
    with database.write(100.0) as tx:
        add_silence(tx, make.silence())
        add_silence(tx, make.silence("s-2", starts_at=150.0, ends_at=300.0))
    with database.read() as connection:
        assert queries.silences(connection) == [make.silence(), make.silence("s-2", starts_at=150.0, ends_at=300.0)]
        assert [s.id for s in queries.silences(connection, ended_after=200.0)] == ["s-2"]
    with database.write(120.0) as tx:
        assert expire_silence(tx, "s-1", "bob") == make.silence(ends_at=120.0)
        ended = expire_silence(tx, "s-2", "bob")  # before it began
        assert (ended.starts_at, ended.ends_at) == (120.0, 120.0)
        assert expire_silence(tx, "s-1", "bob") == make.silence(ends_at=120.0)
        with pytest.raises(Unknown, match="There is no silence 'nobody'"):
            expire_silence(tx, "nobody", "bob")
    assert kinds(database) == ["silence_added", "silence_added", "silence_expired", "silence_expired"]
    assert last_entry(database)["body"]["matchers"] == [["model", "=~", "fraud-.*"]]


# -- models, overrides, references, facts -------------------------------------------------------------------------


def test_models_retire_and_kinds_are_chosen_by_people(database: Database) -> None:
    with database.write(10.0) as tx:
        see_models(tx, [ModelSeen(name, 1.0, 2.0, 3, (), {"inputs.x": "number"}) for name in ("a", "b")])
        set_column_kind(tx, "a", "inputs.x", "category", "ann")
        retire_model(tx, "b", "ann")
        retire_model(tx, "b", "bob")
        see_models(tx, [ModelSeen("a", 1.0, 2.0, 3, (), {"inputs.x": "number"})])
        with pytest.raises(Unknown, match="There is no model 'c'"):
            retire_model(tx, "c", "ann")
    with database.read() as connection:
        assert [model["model"] for model in queries.models(connection)] == ["a"]
        assert [model["model"] for model in queries.models(connection, retired=True)] == ["a", "b"]
        assert queries.model(connection, "a")["columns"] == {"inputs.x": "category"}
        assert queries.model(connection, "b")["retired_at"] == "1970-01-01T00:00:10Z"
    assert kinds(database) == ["column_kind", "model_retired"]


def test_a_retired_model_that_sends_again_is_no_longer_retired_and_that_is_on_record(database: Database) -> None:
    with database.write(10.0) as tx:
        see_models(tx, [ModelSeen(name, 1.0, 2.0, 3) for name in ("a", "expected")])
        for name in ("a", "expected"):
            retire_model(tx, name, "ann")
    with database.write(11.0) as tx:  # what it had sent before, observed only now, and a rule book that expects it
        see_models(tx, [ModelSeen("a", 11.0, 9.5, 1), ModelSeen("expected", 11.0, None, 0)])
    with database.read() as connection:
        assert queries.models(connection) == []
    with database.write(21.0) as tx:
        see_models(tx, [ModelSeen("a", 20.0, 20.5, 2)])
        see_models(tx, [ModelSeen("a", 20.0, 20.75, 3)])
    with database.read() as connection:
        (model,) = queries.models(connection)
    assert (model["model"], model["retired_at"], model["events"]) == ("a", None, 3)
    assert kinds(database) == ["model_retired", "model_retired", "model_returned"]
    told = {"model": "a", "retired_at": "1970-01-01T00:00:10Z", "last_seen": "1970-01-01T00:00:20.500000Z"}
    assert last_entry(database)["body"] == told


def test_overrides_are_kept_with_what_they_reverse(database: Database) -> None:
    first = Override("o-1", "fraud-eu", "d-9", "override", "wrong person", "ann", "called them", {"label": "approve"})
    second = Override("o-2", "fraud-eu", "d-9", "reverse", "was right", "bob", reverses="o-1")
    with database.write(10.0) as tx:
        add_override(tx, first)
    with database.write(20.0) as tx:
        add_override(tx, second)
        with pytest.raises(Unknown, match="There is no override 'o-7'"):
            add_override(tx, replace(second, id="o-3", reverses="o-7"))
    with database.read() as connection:
        assert [o["id"] for o in queries.overrides(connection)] == ["o-2", "o-1"]
        assert [o["id"] for o in queries.overrides(connection, model="fraud-eu", since=15.0)] == ["o-2"]
        assert queries.overrides(connection, model="other") == []
        found = queries.override(connection, "o-1")
        page, _ = queries.audit_page(connection)
    assert found == {
        "id": "o-1",
        "model": "fraud-eu",
        "decision_id": "d-9",
        "verb": "override",
        "reason": "wrong person",
        "note": "called them",
        "answer": {"label": "approve"},
        "reverses": None,
        "at": "1970-01-01T00:00:10Z",
        "by": "ann",
    }
    assert [(e["kind"], e["actor"]) for e in page] == [("override", "bob"), ("override", "ann")]
    assert page[1]["body"] == {
        "override": "o-1",
        "model": "fraud-eu",
        "decision_id": "d-9",
        "verb": "override",
        "reason": "wrong person",
        "note": "called them",
        "answer": {"label": "approve"},
    }


def test_references_are_numbered_per_model(database: Database) -> None:
    source = {"kind": "present", "events": 500}
    with database.write(10.0) as tx:
        assert add_reference(tx, "r-1", "m", None, source, "ann", "new season") == 1
        assert add_reference(tx, "r-2", "m", None, source, "ann", "again", {"base/X": b"\x00bytes"}, 50.0) == 2
        assert add_reference(tx, "r-3", "m", "base/ScoreShift", source, "ann", "one rule") == 3
        assert add_reference(tx, "r-4", "other", None, source, "ann", "another model") == 1
    with database.read() as connection:
        found = {reference["id"]: reference for reference in queries.references(connection, "m")}
        assert queries.reference_bodies(connection, "r-2") == {"base/X": b"\x00bytes"}
        assert queries.reference_bodies(connection, "r-1") == {}
        assert len(queries.references(connection)) == 4
    assert found["r-2"] == {
        "id": "r-2",
        "model": "m",
        "rule": None,
        "version": 2,
        "source": source,
        "author": "ann",
        "reason": "again",
        "created_at": "1970-01-01T00:00:10Z",
        "expires_at": "1970-01-01T00:00:50Z",
        "ended_at": None,
        "rules": ["base/X"],
    }
    assert kinds(database) == ["reference_accepted"] * 4


def test_facts_are_set_once_or_always(database: Database) -> None:
    with database.write(1.0) as tx:
        assert ensure_fact(tx, "home", "first") == "first"
        assert ensure_fact(tx, "home", "second") == "first"
        set_fact(tx, "clock", "1")
        set_fact(tx, "clock", "2")
    with database.read() as connection:
        assert get_fact(connection, "home") == "first"
        assert get_fact(connection, "clock") == "2"
        assert get_fact(connection, "nothing") is None
