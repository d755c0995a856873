from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from monitor.core.changes import Changes
from monitor.core.notices.last_look import Withheld
from monitor.core.notices.model import Kept
from monitor.store import queries
from monitor.store.database import Database
from monitor.store.ledger import desk_seq, load_view, take_partition
from monitor.store.outbox import Claimed, claim, counts, finish, hasten, next_due, oldest_pending


@pytest.fixture
def owed(database: Database, make: Any) -> Database:
    """Two notices of one incident: `a` due at 100, `b` due at 110."""
    notices = [make.notice("b", due_at=110.0, target="mail"), make.notice("a", due_at=100.0)]
    with database.write(90.0) as tx:
        tx.apply(Changes(incidents={"i-1": make.incident()}, evidence=[("i-1", make.evidence())], notices=notices))
    return database


def must(claimed: Claimed | None) -> Claimed:
    assert claimed is not None
    return claimed


def stored(database: Database, key: str) -> dict[str, Any]:
    with database.read() as connection:
        row = connection.execute(text("SELECT * FROM notices WHERE key = :k"), {"k": key}).mappings().one()
        return {name: row[name] for name in ("state", "attempt", "holder", "lease_until", "finished_at", "problem")}


def told(database: Database) -> list[tuple[str, dict[str, Any]]]:
    with database.read() as connection:
        page, _ = queries.audit_page(connection)
    return [(entry["kind"], entry["body"]) for entry in reversed(page)]


def test_nothing_is_claimed_before_it_is_due_and_nothing_is_written(owed: Database) -> None:
    assert claim(owed, 99.0, "courier-1", 30.0) is None
    with owed.read() as connection:
        assert next_due(connection, 99.0) == 100.0
        assert next_due(connection, 105.0) == 105.0
        assert oldest_pending(connection) == 100.0
        assert counts(connection) == {"pending": 2}


def test_the_one_due_longest_comes_first_with_all_a_message_needs(owed: Database, make: Any) -> None:
    claimed = must(claim(owed, 120.0, "courier-1", 30.0))
    assert claimed.notice == make.notice("a", due_at=100.0)
    assert (claimed.attempt, claimed.holder, claimed.lease_until) == (1, "courier-1", 150.0)
    assert claimed.incident == make.incident()
    assert claimed.evidence == [make.evidence()]
    with owed.read() as connection:
        assert claimed.audit == queries.head(connection)
    assert must(claim(owed, 120.0, "courier-2", 30.0)).notice.key == "b"
    assert claim(owed, 120.0, "courier-3", 30.0) is None
    with owed.read() as connection:
        assert counts(connection) == {"sending": 2}
        assert next_due(connection, 121.0) == 150.0


def test_a_target_that_must_wait_is_passed_over(owed: Database) -> None:
    assert must(claim(owed, 120.0, "c", 30.0, skip=["oncall"])).notice.key == "b"
    assert claim(owed, 120.0, "c", 30.0, skip=["oncall", "mail"]) is None
    with owed.read() as connection:
        assert next_due(connection, 120.0, skip=["oncall", "mail"]) is None
        assert next_due(connection, 120.0, skip=["mail"]) == 120.0


@pytest.mark.parametrize(
    ("outcome", "kind"), [("delivered", "notice_delivered"), ("dead", "notice_dead"), ("unknown", "notice_unknown")]
)
def test_an_outcome_is_final_and_on_record(owed: Database, outcome: Any, kind: str) -> None:
    claimed = must(claim(owed, 100.0, "c", 30.0))
    assert finish(owed, claimed, outcome, 101.0, problem="said 410")
    assert stored(owed, "a") == {
        "state": outcome,
        "attempt": 1,
        "holder": None,
        "lease_until": None,
        "finished_at": 101.0,
        "problem": "said 410",
    }
    assert told(owed) == [
        (
            kind,
            {
                "notice": "a",
                "incident": "i-1",
                "target": "oncall",
                "reason": "opened",
                "attempt": 1,
                "problem": "said 410",
            },
        )
    ]
    assert claim(owed, 105.0, "c", 30.0) is None


def test_a_retry_comes_back_when_it_is_due_and_is_no_audit_entry(owed: Database) -> None:
    claimed = must(claim(owed, 100.0, "c", 30.0))
    assert finish(owed, claimed, "retry", 101.0, retry_at=104.0, problem="said 503")
    assert stored(owed, "a")["problem"] == "said 503"
    assert told(owed) == []
    assert claim(owed, 103.0, "c", 30.0) is None
    again = must(claim(owed, 104.0, "c", 30.0))
    assert (again.notice.key, again.attempt) == ("a", 2)
    with pytest.raises(ValueError, match="needs the time"):
        finish(owed, again, "retry", 105.0)


def test_an_unknown_outcome_can_be_tried_again_and_both_are_on_record(owed: Database) -> None:
    assert finish(owed, must(claim(owed, 100.0, "c", 30.0)), "unknown", 101.0, retry_at=102.0)
    assert stored(owed, "a")["state"] == "retry"
    assert finish(owed, must(claim(owed, 102.0, "c", 30.0)), "delivered", 103.0)
    assert [kind for kind, _ in told(owed)] == ["notice_unknown", "notice_delivered"]


def test_a_lease_that_ran_out_goes_to_the_next_and_the_first_holder_is_told(owed: Database) -> None:
    first = must(claim(owed, 100.0, "c-1", 5.0))
    assert claim(owed, 104.9, "c-2", 5.0) is None
    second = must(claim(owed, 105.0, "c-2", 5.0))
    assert (second.notice.key, second.attempt) == ("a", 2)
    assert finish(owed, first, "delivered", 106.0) is False
    assert stored(owed, "a")["state"] == "sending"
    assert told(owed) == []
    assert finish(owed, second, "delivered", 106.0) is True
    assert finish(owed, second, "dead", 107.0) is False


def test_the_same_holder_with_an_older_attempt_has_lost_it_too(owed: Database) -> None:
    first = must(claim(owed, 100.0, "c-1", 5.0))
    must(claim(owed, 105.0, "c-1", 5.0))
    assert finish(owed, first, "delivered", 106.0) is False


def test_what_is_no_longer_owed_is_cancelled_with_the_reason_and_the_next_is_tried(owed: Database) -> None:
    def still_owed(notice: Any, incident: Any, others: Any) -> Withheld | None:
        assert incident.id == "i-1"
        return Withheld("ann has acknowledged it") if notice.key == "a" else None

    assert must(claim(owed, 120.0, "c", 30.0, still_owed)).notice.key == "b"
    assert stored(owed, "a") == {
        "state": "cancelled",
        "attempt": 1,
        "holder": None,
        "lease_until": None,
        "finished_at": 120.0,
        "problem": "ann has acknowledged it",
    }
    ((kind, body),) = told(owed)
    assert (kind, body["notice"], body["why"]) == ("no_notice", "a", "ann has acknowledged it")


def test_what_must_wait_is_given_back_untouched_and_the_next_is_tried(owed: Database) -> None:
    def silenced(notice: Any, incident: Any, others: Any) -> Withheld | None:
        return Withheld("ann has silenced it", 200.0) if notice.key == "a" else None

    assert must(claim(owed, 120.0, "c", 30.0, silenced)).notice.key == "b"
    given_back = {"holder": None, "lease_until": None, "finished_at": None, "problem": "ann has silenced it"}
    assert stored(owed, "a") == {"state": "pending", "attempt": 0, **given_back}
    assert claim(owed, 199.0, "c", 30.0, skip=["mail"]) is None
    assert must(claim(owed, 200.0, "c", 30.0, skip=["mail"])).attempt == 1
    assert told(owed) == []


def test_putting_a_notice_off_is_no_attempt_however_often_it_happens(owed: Database) -> None:
    finish(owed, must(claim(owed, 100.0, "c", 30.0)), "retry", 101.0, retry_at=102.0, problem="said 503")
    for at in (102.0, 110.0, 120.0):
        assert claim(owed, at, "c", 30.0, lambda *_, at=at: Withheld("silenced", at + 5.0), skip=["mail"]) is None
    row = stored(owed, "a")
    assert (row["state"], row["attempt"]) == ("retry", 1)
    assert must(claim(owed, 130.0, "c", 30.0, skip=["mail"])).attempt == 2


def test_a_wait_that_is_over_already_does_not_keep_the_courier_turning(owed: Database) -> None:
    assert claim(owed, 120.0, "c", 30.0, lambda *_: Withheld("wait", 1.0)) is None
    with owed.read() as connection:
        assert next_due(connection, 120.0) == 121.0


def test_a_notice_is_judged_beside_the_others_of_its_incident_to_the_same_target(database: Database, make: Any) -> None:
    notices = [
        make.notice("late", created_at=103.0, due_at=103.0),
        make.notice("first", created_at=100.0, due_at=100.0),
        make.notice("elsewhere", target="mail"),
        make.notice("of another", incident="i-2"),
    ]
    with database.write(90.0) as tx:
        incidents = {id_: make.incident(id_) for id_ in ("i-1", "i-2")}
        tx.apply(Changes(incidents=incidents, notices=notices))
    finish(database, must(claim(database, 101.0, "c", 30.0)), "delivered", 102.0)
    seen: list[Any] = []
    claimed = must(claim(database, 104.0, "c", 30.0, lambda n, i, others: seen.append(others)))
    assert seen == [[Kept(notices[1], "delivered")]]
    assert claimed.notice.key == "late" and claimed.others == [Kept(notices[1], "delivered")]


def test_what_becomes_void_makes_decisions_be_made_again(owed: Database) -> None:
    take_partition(owed, 0, 90.0)

    def standing() -> tuple[int, set[bool]]:
        with owed.read() as connection:
            recorded = load_view(connection, 0, 200.0).recorded["i-1"]
            return desk_seq(connection, 0), {kept.void for kept in recorded.values()}

    assert standing() == (0, {False})
    finish(owed, must(claim(owed, 100.0, "c", 30.0)), "unknown", 101.0)
    assert standing() == (0, {False})
    assert claim(owed, 120.0, "c", 30.0, lambda *_: Withheld("no longer owed")) is None
    assert standing() == (1, {True, False})


def test_a_dead_notice_is_void(owed: Database) -> None:
    take_partition(owed, 0, 90.0)
    finish(owed, must(claim(owed, 100.0, "c", 30.0)), "dead", 101.0)
    with owed.read() as connection:
        assert desk_seq(connection, 0) == 1
        assert load_view(connection, 0, 200.0).recorded["i-1"]["a"].void


def test_a_new_address_makes_what_waits_for_it_due_at_once_and_nothing_else_waits_long(owed: Database) -> None:
    assert hasten(owed, 95.0, {"oncall": "json://a", "mail": "json://b"}, within=300.0) == {"oncall", "mail"}
    for _ in range(2):
        finish(owed, must(claim(owed, 120.0, "c", 30.0)), "retry", 120.0, retry_at=3700.0, problem="said 403")
    assert hasten(owed, 130.0, {"oncall": "json://mended", "mail": "json://b"}, within=300.0) == {"oncall"}
    with owed.read() as connection:
        assert next_due(connection, 0.0, skip=["mail"]) == 130.0
        assert next_due(connection, 0.0, skip=["oncall"]) == 430.0
    assert hasten(owed, 140.0, {"oncall": "json://mended", "mail": "json://b"}, within=300.0) == frozenset()
    with owed.read() as connection:
        assert next_due(connection, 0.0, skip=["oncall"]) == 430.0, "a daemon that starts over and over sends no more"


def test_nothing_left_after_cancelling_is_nothing(owed: Database) -> None:
    assert claim(owed, 120.0, "c", 30.0, lambda *_: Withheld("silenced")) is None
    with owed.read() as connection:
        assert counts(connection) == {"cancelled": 2}
        assert next_due(connection, 120.0) is None
        assert oldest_pending(connection) is None
    assert len(told(owed)) == 2


def test_the_incident_is_the_one_of_now(owed: Database, make: Any) -> None:
    acknowledged = replace(make.incident(), state="acknowledged", owner="ann", revision=2)
    with owed.write(95.0) as tx:
        tx.apply(Changes(incidents={"i-1": acknowledged}))
    assert must(claim(owed, 100.0, "c", 30.0)).incident == acknowledged


def test_couriers_at_the_same_moment_never_get_the_same_notice(database: Database, make: Any) -> None:
    with database.write(90.0) as tx:
        keys = [f"n-{number:02}" for number in range(20)]
        tx.apply(Changes(incidents={"i-1": make.incident()}, notices=[make.notice(key) for key in keys]))
    got: list[str] = []

    def courier(holder: str) -> None:
        while (claimed := claim(database, 200.0, holder, 30.0)) is not None:
            got.append(claimed.notice.key)
            assert finish(database, claimed, "delivered", 201.0)

    threads = [threading.Thread(target=courier, args=(f"c-{number}",)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == keys
    assert len(told(database)) == 20
