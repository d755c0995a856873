"""A halt and its end: on the terms of the packs, by two people, or by breaking the glass."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from deciding import HOUR, a_level, a_rule

from monitor.core.oversight.scopes import Scope
from monitor.core.rules.model import Book, PackTerms
from monitor.runtime.desk import Conflict, Refused
from monitor.runtime.drill import Drill
from monitor.store.gate_clients import Applied, clients
from monitor.store.gates import load_gate
from monitor.store.queries import incident

SUE, ADA = ("sue", "supervisor"), ("ada", "admin")
MODEL = "fraud-eu"
Office = Any  # of conftest


def on_terms(office: Office, **terms: Any) -> None:
    book: Book = office.book
    office.book = replace(book, packs=tuple(replace(pack, terms=PackTerms(**terms)) for pack in book.packs))


def test_where_the_pack_asks_for_two_a_halt_ends_when_the_second_person_asks_for_the_same(office: Office) -> None:
    on_terms(office, release=2)
    office.desk.gate_set(MODEL, "halt", "stop", *SUE)
    asked = office.desk.gate_set(MODEL, "auto", "mended", *SUE)
    assert (asked["state"], asked["generation"], asked["asked"]["by"]) == ("halt", 1, "sue")
    with pytest.raises(Refused, match="takes another person"):
        office.desk.gate_set(MODEL, "auto", "really", *SUE)
    other = office.desk.gate_set(MODEL, "review", "only with people", *ADA)
    assert (other["state"], other["asked"]["to"]) == ("halt", "review"), "another wish takes the place of the first"
    done = office.desk.gate_set(MODEL, "review", "agreed", *SUE)
    assert (done["state"], done["generation"], done["by"], done["asked"]) == ("review", 2, "ada, sue", None)
    assert "asked for by ada: only with people" in done["reason"]
    assert [e["actor"] for e in office.entries("gate_release_asked")] == ["sue", "ada"]
    assert office.desk.gate_set(MODEL, "auto", "well again", *SUE)["state"] == "auto", "review ends by one"


def test_a_wish_that_is_an_hour_old_is_none(office: Office) -> None:
    on_terms(office, release=2)
    office.desk.gate_set(MODEL, "halt", "stop", *SUE)
    office.desk.gate_set(MODEL, "auto", "mended", *SUE)
    office.clock.at += HOUR + 1
    assert office.desk.gate_set(MODEL, "auto", "mended", *ADA)["state"] == "halt"
    assert office.desk.gate_set(MODEL, "auto", "mended", *SUE)["state"] == "auto"


def test_a_halt_stands_as_long_as_the_pack_says(office: Office) -> None:
    on_terms(office, hold=600.0)
    office.desk.gate_set(MODEL, "halt", "stop", *SUE)
    office.clock.at += 599
    with pytest.raises(Refused, match="stands for at least 10 minutes"):
        office.desk.gate_set(MODEL, "auto", "mended", *ADA)
    office.clock.at += 1
    assert office.desk.gate_set(MODEL, "auto", "mended", *ADA)["state"] == "auto"


def test_breaking_the_glass_ends_a_halt_at_once_and_calls_people(office: Office) -> None:
    on_terms(office, release=2, hold=600.0)
    office.desk.gate_set(MODEL, "halt", "stop", *SUE)
    done = office.desk.gate_set(MODEL, "auto", "patients wait", *SUE, break_glass=True)
    assert (done["state"], done["generation"]) == ("auto", 2)
    (entry,) = office.entries("break_glass")
    id_ = entry["body"]["incident"]
    with office.database.read() as connection:
        opened = incident(connection, id_)
    assert opened is not None
    assert (opened["severity"], opened["state"], opened["model"]) == ("critical", "open", MODEL)
    assert "sue set the gate of fraud-eu to auto by breaking the glass: patients wait" in opened["summary"]
    office.clock.at += 10
    office.desk.deadlines(office.clock.at)
    assert {reason for reason, _ in office.notices()} == {"opened"}
    assert office.incidents()[0]["state"] == "open", "no book has its rule, and it stays all the same"


def test_a_person_and_a_part_of_a_model_share_one_generation(office: Office) -> None:
    office.desk.gate_set(Scope(MODEL, "version", "3"), "halt", "stop", *SUE, if_match=0)
    with pytest.raises(Conflict, match="changed meanwhile"):
        office.desk.gate_set(MODEL, "review", "look", *SUE, if_match=0)
    assert office.desk.gate_set(MODEL, "review", "look", *SUE, if_match=1)["generation"] == 2
    id_ = office.level()
    with office.database.read() as connection:
        assert load_gate(connection, MODEL).generation == 2, "it was that strict already"
    assert id_


@pytest.mark.parametrize(
    ("on", "scope"),
    [("version", Scope(MODEL, "version", "3")), ("segment", Scope(MODEL, "segment", "s=web")), ("model", Scope(MODEL))],
)
def test_a_rule_tightens_the_part_it_names_and_a_person_loosens_it(office: Office, on: str, scope: Scope) -> None:
    rule = a_rule("LowConfidence", gate="halt", gate_on=on, per_segment=on == "segment")
    office.book = replace(office.book, packs=tuple(replace(p, rules=(rule,)) for p in office.book.packs))
    office.see(a_level(rule, "y", office.clock.at, ("s=web",) if on == "segment" else None))
    with office.database.read() as connection:
        gate = load_gate(connection, scope.text)
    assert gate is not None and (gate.state, gate.by) == ("halt", "rule:fraud/LowConfidence")
    (found,) = office.incidents()
    office.desk.gate_set(scope, "auto", "mended", *SUE)
    with office.database.read() as connection:
        shown = incident(connection, found["id"])
    assert shown is not None and not shown["gate_held"]


def follows(office: Office, client: str, generation: int, epoch: str, drill: str = "auto") -> None:
    office.desk.gate_applied(Applied(MODEL, client, "svc", epoch, generation, "auto", drill))


def test_a_drill_measures_how_long_everybody_took_and_keeps_the_evidence(office: Office) -> None:
    on_terms(office, release=2, hold=600.0)
    epoch = office.desk.gate_set(MODEL, "review", "look", *SUE)["epoch"] or ""
    for client in ("a", "b", "c"):
        follows(office, client, 1, epoch)
    steps = iter([("a", 0.5), ("b", 1.5)])

    def pause(_: float) -> None:
        client, at = next(steps, (None, 10.0))
        office.clock.at += at
        if client is not None:
            follows(office, client, 2, epoch, "halt")

    found = Drill(office.desk, MODEL, *SUE, 10.0, pause).run()
    assert (found["clients"], found["acknowledged"], found["silent"], found["passed"]) == (3, 2, ["c"], False)
    assert (found["p50_seconds"], found["p95_seconds"], found["max_seconds"]) == (0.5, 2.0, 2.0)
    (entry,) = office.entries("drill")
    assert entry["actor"] == "sue" and entry["body"]["silent"] == ["c"]
    with office.database.read() as connection:
        gate = load_gate(connection, Scope(MODEL, "operation", "overloop.drill").text)
        assert gate is not None and gate.state == "auto", "what the pack asks for a halt does not hold for a rehearsal"
        assert len(clients(connection, MODEL, office.clock.at)) == 3


def test_two_drills_at_a_time_are_one_too_many_and_one_that_was_cut_off_is_cleared_away(office: Office) -> None:
    scope = Scope(MODEL, "operation", "overloop.drill")
    office.desk.gate_set(scope, "halt", "x", *SUE)
    with pytest.raises(Refused, match="being rehearsed by sue right now"):
        Drill(office.desk, MODEL, *ADA, 1.0).run()
    office.clock.at += 61
    assert Drill(office.desk, MODEL, *ADA, 1.0).run()["clients"] == 0
