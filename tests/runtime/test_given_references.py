"""References through the desk and the pump: placed by a mark, kept with every version, replayed without their data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pumping import T0, World

from monitor.core.columns import Columns
from monitor.core.detectors.budget.fit import Fitter
from monitor.core.events import Batch
from monitor.runtime.desk import Forbidden, Refused
from monitor.runtime.references import described
from monitor.store import queries
from monitor.store.ledger import wanted_marks

PACK = """
pack: tests
models: ["m*"]
rules:
- alert: Shift
  detect: {shift: "inputs.*"}
  severity: high
- alert: Silent
  absent: {for: 3m}
  severity: high
"""
SUE = ("sue", "supervisor")
RULE = "tests/Shift"
WEEK = 2016
DAY = 86_400.0


@pytest.fixture
def home(make_world: Callable[..., World]) -> World:
    return make_world(pack=PACK)


def fitted(home: World, model: str = "m", level: float = 0.0, n: int = 2 * WEEK, pack: str = PACK) -> bytes:
    rule = next(r for p in home.shelf.current.packs for r in p.rules if r.name == "Shift")
    at = T0 - 3e7 + np.arange(n) * 300.0
    values = np.random.default_rng(1).normal(level, 1, n).tolist()
    fitter = Fitter(rule, model, Columns(), 1.0)
    fitter.feed_batch(Batch(model, [str(i) for i in range(n)], at, at, np.arange(n), {"inputs.x": values}, [None] * n))
    return fitter.result().pack()


def send(home: World, level: float, n: int, seed: int = 2, model: str = "m") -> None:
    """Events five minutes apart; many come together."""
    values = np.random.default_rng(seed).normal(level, 1, n).tolist()
    for start in range(0, n, 100):
        part = values[start : start + 100]
        home.clock.advance(300.0 * len(part))
        at = home.clock.now() - 300.0 * np.arange(len(part))[::-1]
        home.post(*({"model": model, "at": t, "inputs": {"x": v}} for t, v in zip(at.tolist(), part, strict=True)))
        home.drain()


def shifts(home: World) -> list[dict[str, Any]]:
    return home.incidents("Shift")


def listed(home: World, model: str = "m") -> list[dict[str, Any]]:
    with home.database.read() as connection:
        return queries.references(connection, model)


def test_a_model_that_nobody_has_seen_is_watched_from_its_first_event(home: World) -> None:
    made = home.desk.fit_reference("m-new", {RULE: fitted(home, "m-new")}, {"fitted": "file"}, "as trained", *SUE)
    assert (made["version"], made["rule"], made["rules"], made["author"]) == (1, RULE, [RULE], "sue")
    home.run(600.0)
    assert home.incidents() == [], "a model that has not begun is not silent"
    send(home, 0.0, 80, model="m-new")
    assert shifts(home) == []
    send(home, 3.0, 20, model="m-new")
    assert shifts(home)[0]["model"] == "m-new"
    digest = home.pump().bank.digest()
    assert home.restart().bank.digest() == digest, "run again from the first step"
    home.save()
    send(home, 0.0, 3, model="m-new")
    digest = home.pump().bank.digest()
    assert home.restart().bank.digest() == digest, "from snapshots"


def test_a_reference_that_waits_survives_a_restart_and_a_lost_snapshot(home: World) -> None:
    home.desk.fit_reference("m-new", {RULE: fitted(home, "m-new")}, {}, "as trained", *SUE)
    home.run(20.0)
    home.save()
    home.restart()
    send(home, 0.0, 5, model="m-new")
    home.save()
    for path in (home.folder / "snapshots" / "0").rglob("*m-new*"):
        path.write_bytes(b"damaged")
    send(home, 0.0, 70, model="m-new")
    digest = home.pump().bank.digest()
    assert home.restart().bank.digest() == digest
    described_ = home.pump().bank.models["m-new"].watchers[RULE].describe()
    assert [row["state"] for row in described_["references"]] == ["watching"]


def test_a_reference_that_waits_is_not_used_when_the_model_is_to_learn_its_own_after_all(home: World) -> None:
    home.desk.fit_reference("m-new", {RULE: fitted(home, "m-new", 9.0)}, {}, "as trained", *SUE)
    home.run(20.0)
    home.desk.accept_reference("m-new", None, "it was fitted to the wrong data", *SUE)
    home.run(20.0)
    send(home, 0.0, 80, model="m-new")
    assert shifts(home) == []
    (row,) = home.pump().bank.models["m-new"].watchers[RULE].describe()["references"]
    assert row["state"] == "collecting"
    digest = home.pump().bank.digest()
    assert home.restart().bank.digest() == digest


def test_every_version_is_kept_and_can_be_put_back(home: World) -> None:
    send(home, 0.0, 2)
    first = home.desk.fit_reference("m", {RULE: fitted(home)}, {}, "as trained", *SUE)
    home.desk.fit_reference("m", {RULE: fitted(home, level=5.0)}, {}, "a new sensor", *SUE)
    send(home, 5.0, 80)
    assert shifts(home) == []
    made = home.desk.rollback_reference(first["id"], "the old sensor is back", *SUE)
    assert (made["version"], made["source"]["rolled_back_to"]) == (3, 1)
    send(home, 0.0, 20)
    assert shifts(home) == []
    assert home.pump().bank.models["m"].watchers[RULE].describe()["reference_version"] == 3
    send(home, 5.0, 20)
    assert len(shifts(home)) == 1
    assert [r["version"] for r in listed(home)] == [3, 2, 1]
    assert [e["version"] for e in home.entries("reference_accepted", "reference_rolled_back")] == [1, 2, 3]


def test_what_detectors_learn_by_themselves_is_a_version_too_that_can_be_put_back(home: World) -> None:
    send(home, 0.0, WEEK + 80)
    (learned,) = listed(home)
    assert (learned["author"], learned["version"], learned["rules"]) == ("machine", 1, [RULE])
    assert [e["rule"] for e in home.entries("reference_learned")] == [RULE]
    accepted = home.desk.accept_reference("m", None, "the new normal", *SUE)
    assert accepted["rules"] == []
    with pytest.raises(Refused, match="has nothing to go back to: its detectors have not finished learning it"):
        home.desk.rollback_reference(accepted["id"], "no", *SUE)
    send(home, 4.0, 80, seed=3)
    home.desk.rollback_reference(learned["id"], "it was not normal", *SUE)
    send(home, 4.0, 20, seed=4)
    assert len(shifts(home)) == 1
    with home.database.read() as connection:
        bodies = queries.reference_bodies(connection, learned["id"])
    (rule,) = described(bodies, home.shelf.current, "m")
    assert (rule["rule"], rule["budget"], rule["series"][0]["watched"]) == (RULE, 1.0, True)


def test_what_was_accepted_for_a_time_runs_out_and_what_was_before_is_back(home: World) -> None:
    send(home, 0.0, 2)
    home.desk.fit_reference("m", {RULE: fitted(home)}, {}, "as trained", *SUE)
    until = home.clock.now() + 2 * DAY
    home.desk.fit_reference("m", {RULE: fitted(home, level=5.0)}, {}, "the sale", *SUE, expires_at=until)
    send(home, 5.0, 80)
    assert home.desk.deadlines(home.clock.now()) == until
    home.clock.advance(2 * DAY)
    home.desk.deadlines(home.clock.now())
    back, sale, _ = listed(home)
    assert (back["author"], back["source"]["ran_out"], back["rules"]) == ("machine", 2, [RULE])
    assert sale["ended_at"] is not None
    assert home.entries("reference_expired")[0]["version"] == 3
    send(home, 0.0, 30)
    assert shifts(home) == []
    before = len(listed(home))
    home.desk.deadlines(home.clock.now())
    assert len(listed(home)) == before


def test_several_that_run_out_together_are_each_put_back_and_told_once(home: World) -> None:
    until = home.clock.now() + DAY
    for model in ("m1", "m2", "m3"):
        send(home, 0.0, 2, model=model)
        if model != "m3":
            home.desk.fit_reference(model, {RULE: fitted(home, model)}, {}, "as trained", *SUE)
        home.desk.fit_reference(model, {RULE: fitted(home, model, 5.0)}, {}, "the sale", *SUE, expires_at=until)
    home.drain()
    home.clock.advance(DAY + 1)
    home.desk.deadlines(home.clock.now())
    assert sorted(e["model"] for e in home.entries("reference_expired")) == ["m1", "m2", "m3"]
    with home.database.read() as connection:
        wanted = [mark["model"] for _, mark in wanted_marks(connection, 0) if mark["kind"] == "reference"]
    assert sorted(wanted) == ["m1", "m2"]


def test_one_that_runs_out_after_a_newer_one_changes_nothing(home: World) -> None:
    send(home, 0.0, 2)
    until = home.clock.now() + DAY
    home.desk.fit_reference("m", {RULE: fitted(home)}, {}, "for today", *SUE, expires_at=until)
    home.desk.fit_reference("m", {RULE: fitted(home, level=5.0)}, {}, "for good", *SUE)
    home.clock.advance(DAY + 1)
    home.desk.deadlines(home.clock.now())
    assert [r["reason"] for r in listed(home)] == ["for good", "for today"]
    assert home.entries("reference_expired")[0]["reason"] == "there is none to put back"


def test_an_incident_is_accepted_as_the_new_normal_and_closed_as_expected(home: World) -> None:
    send(home, 0.0, 2)
    home.desk.fit_reference("m", {RULE: fitted(home)}, {}, "as trained", *SUE)
    send(home, 5.0, 80)
    (found,) = shifts(home)
    made = home.desk.accept_incident(found["id"], "prices are higher now", *SUE)
    assert (made["version"], made["rule"], made["source"]["incident"]) == (2, RULE, found["id"])
    (closed,) = shifts(home)
    assert (closed["state"], closed["verdict"]) == ("closed", "expected")
    send(home, 5.0, WEEK + 80)
    assert listed(home)[0]["rules"] == [RULE]
    assert len(shifts(home)) == 1, "the new normal was learned"
    send(home, 0.0, 30)
    assert len(shifts(home)) == 2


def test_what_cannot_be_watched_by_is_refused_and_changes_nothing(home: World) -> None:
    send(home, 0.0, 2)
    good = fitted(home)
    with pytest.raises(Forbidden):
        home.desk.fit_reference("m", {RULE: good}, {}, "x", "kim", "operator")
    with pytest.raises(Refused, match="cannot be used"):
        home.desk.fit_reference("m", {RULE: b"junk"}, {}, "x", *SUE)
    with pytest.raises(Refused, match="No rule 'tests/Nope' of the rule book watches the model m"):
        home.desk.fit_reference("m", {"tests/Nope": good}, {}, "x", *SUE)
    with pytest.raises(Refused, match="is no shift under the page budget"):
        home.desk.fit_reference("m", {"tests/Silent": good}, {}, "x", *SUE)
    with pytest.raises(Refused, match="watches the model other"):
        home.desk.fit_reference("other", {RULE: good}, {}, "x", *SUE)
    with pytest.raises(Refused, match="Every series was refused"):
        home.desk.fit_reference("m", {RULE: fitted(home, n=90)}, {}, "x", *SUE)
    with pytest.raises(Refused, match="runs out after now"):
        home.desk.fit_reference("m", {RULE: good}, {}, "x", *SUE, expires_at=home.clock.now() - 1)
    with pytest.raises(Refused, match="needs a reason"):
        home.desk.fit_reference("m", {RULE: good}, {}, " ", *SUE)
    home.load(PACK.replace('"inputs.*"}', '"inputs.*", tolerance: 0.01}'))
    with pytest.raises(Refused, match="fitted for another form of tests/Shift"):
        home.desk.fit_reference("m", {RULE: good}, {}, "x", *SUE)
    assert listed(home) == [] and home.marks("reference") == []


def test_a_rule_that_became_more_sensitive_is_not_put_back_to_what_was_proven_for_less(home: World) -> None:
    send(home, 0.0, 2)
    made = home.desk.fit_reference("m", {RULE: fitted(home)}, {}, "as trained", *SUE)
    home.load(PACK.replace('"inputs.*"}', '"inputs.*", tolerance: 0.01}'))
    with pytest.raises(Refused, match=r"proven for a tolerance of 0.05, and tests/Shift now has 0.01"):
        home.desk.rollback_reference(made["id"], "x", *SUE)


def test_a_larger_tolerance_in_the_rules_keeps_the_reference(home: World) -> None:
    send(home, 0.0, 2)
    home.desk.fit_reference("m", {RULE: fitted(home)}, {}, "as trained", *SUE)
    send(home, 0.0, 80)
    home.load(PACK.replace('"inputs.*"}', '"inputs.*", tolerance: 0.1}'))
    send(home, 0.0, 2)
    about = home.pump().bank.models["m"].watchers[RULE].describe()
    assert (about["tolerance"], about["reference_version"]) == (0.1, 1)
    assert [row["state"] for row in about["references"]] == ["watching"]
    digest = home.pump().bank.digest()
    assert home.restart().bank.digest() == digest
