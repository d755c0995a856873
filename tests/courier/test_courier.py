"""The courier on a real ledger with senders that do as they are told."""

from __future__ import annotations

import queue
import threading
import time
from typing import get_args

import pytest
from deciding import T0, an_incident
from sqlalchemy import select

from monitor.core.notices.holds import Hold
from monitor.core.notices.model import Notice, Reason
from monitor.core.notices.pace import Rate
from monitor.delivery.apprise_pool import HelperPool
from monitor.delivery.apprise_sender import apprise_senders
from monitor.delivery.protocol import Result
from monitor.delivery.unusable import Unusable
from monitor.runtime.courier import Terms
from monitor.runtime.courier_terms import settle
from monitor.store.database import Database
from monitor.store.outbox import Claimed
from monitor.store.tables import audit

RETRY = Result("retry", "serverError", None, "The receiver answered 500.")
SILENT = Result("unknown", "timeout", None, "No answer came; the message may have arrived.")
REFUSED = Result("dead", "authError", None, "The receiver answered 401.")


def test_a_due_notice_is_delivered_in_words_and_recorded(office, fake):
    sender = fake()
    (key,) = office.owe("oncall")
    with office.at_work(office.courier({"oncall": sender})):
        delivery = office.next()
    assert (delivery.outcome, delivery.attempt, delivery.recorded) == ("delivered", 1, True)
    (message,) = sender.sent
    assert message.severity == "high" and message.incident == key.split("/")[0] and message.reason == "opened"
    for part in (message.incident, "https://overloop.example/incidents/", "audit ", "The score moved.", "last deploy"):
        assert part in message.body
    assert office.row(key).state == "delivered"
    (entry,) = office.entries("notice_delivered")
    assert key in entry


def test_a_failed_notice_is_tried_again_later_with_its_problem_on_record(office, fake):
    sender = fake(RETRY, Result("delivered"))
    (key,) = office.owe("oncall")
    with office.at_work(office.courier({"oncall": sender})):
        assert office.next().outcome == "retry"
        row = office.row(key)
        assert row.state == "retry" and 0.5 <= row.due_at - office.clock.now() <= 1.0
        assert row.problem == RETRY.problem
        office.move(1.0)
        again = office.next()
    assert (again.outcome, again.attempt) == ("delivered", 2)
    assert office.row(key).state == "delivered" and not office.entries("notice_unknown")


def test_the_wish_of_a_target_holds_for_everything_sent_to_it_and_for_nobody_else(office, fake):
    busy, other = fake(Result("retry", "rateLimited", 120.0, "The receiver answered 429.")), fake()
    office.owe("busy")
    with office.at_work(office.courier({"busy": busy, "other": other})):
        office.next()
        office.owe("busy", reason="repeat", at=office.clock.now())
        office.owe("other")
        office.wake()
        assert office.next().target == "other"
        office.move(100.0)
        office.owe("other", reason="repeat", at=office.clock.now())
        office.wake()
        assert office.next().target == "other"
        assert len(busy.sent) == 1
        office.move(21.0)
        assert office.next().target == "busy"


def test_a_page_that_may_have_arrived_is_on_record_as_unknown_and_sent_again(office, fake):
    sender = fake(SILENT, Result("delivered"))
    (key,) = office.owe("oncall")
    with office.at_work(office.courier({"oncall": sender})):
        assert office.next().outcome == "unknown"
        assert office.row(key).problem == SILENT.problem and "may have arrived" in office.entries("notice_unknown")[0]
        assert office.row(key).due_at == office.clock.now() + 60.0
        office.move(60.0)
        assert office.next().outcome == "delivered"
    assert office.row(key).state == "delivered"


def test_news_that_may_have_arrived_is_not_sent_twice(office, fake):
    office.called("oncall")
    office.change(state="acknowledged", acknowledged_by="ada", acknowledged_at=office.clock.now(), seen=True)
    (key,) = office.owe_news("acknowledged")
    with office.at_work(office.courier({"oncall": fake(SILENT)})):
        assert office.next().outcome == "unknown"
    assert office.row(key).state == "unknown"


def test_news_is_given_up_after_a_day_and_a_page_is_not(office, fake):
    senders = {"oncall": fake(RETRY), "news": fake(RETRY)}
    (page,) = office.owe("oncall")
    with office.at_work(office.courier(senders)):
        office.next()
        office.move(90_000.0)
        assert office.next().outcome == "retry"
    assert office.row(page).state == "retry"
    office.called("news")
    office.change(state="closed", closed_by="ada")
    (news,) = office.owe_news("closed", "news")
    with office.at_work(office.courier(senders)):
        assert office.next().outcome == "dead"
    assert "given up" in office.row(news).problem and RETRY.problem in office.row(news).problem


@pytest.mark.parametrize("reason", ["authError", "clientError"])
def test_a_page_that_is_refused_waits_for_whoever_mends_the_receiver(office, fake, reason):
    """Refused is what 400, 403, 404, redirects and a URL with a typo come to."""
    sender = fake(*[Result("dead", reason, None, "The receiver answered 403.")] * 6, Result("delivered"))
    (key,) = office.owe("oncall")
    with office.at_work(office.courier({"oncall": sender})):
        for minutes in (5, 10, 20, 40, 60, 60):
            told = office.next()
            assert (told.outcome, told.reason) == ("retry", reason)
            row = office.row(key)
            assert (row.state, row.due_at) == ("retry", office.clock.now() + 60.0 * minutes)
            problem = "The receiver answered 403. It is tried again until somebody has the incident in hand."
            assert row.problem == problem
            office.move(60.0 * minutes)
        assert office.next().outcome == "delivered"
    assert office.row(key).state == "delivered" and not office.entries("notice_dead")


def test_a_page_that_is_refused_is_tried_no_longer_once_somebody_has_the_incident(office, fake):
    (key,) = office.owe("oncall")
    with office.at_work(office.courier({"oncall": fake(REFUSED)})):
        office.next()
        office.change(state="acknowledged", acknowledged_by="ada", acknowledged_at=office.clock.now())
        office.move(300.0)
        assert office.held.get(timeout=15) == "cancelled"
    assert office.row(key).state == "cancelled"


def test_news_that_is_refused_is_given_up_at_once_and_that_is_on_record(office, fake):
    office.called("oncall")
    office.change(state="closed", closed_by="ada")
    (key,) = office.owe_news("closed")
    with office.at_work(office.courier({"oncall": fake(REFUSED)})):
        assert office.next().outcome == "dead"
    assert office.row(key).state == "dead" and "401" in office.entries("notice_dead")[0]


def test_a_page_to_a_receiver_that_is_not_configured_waits_until_it_is_again(office, fake):
    (key,) = office.owe("gone")
    with office.at_work(office.courier({})):
        assert office.next().outcome == "retry"
    assert office.row(key).problem.startswith('The receiver "gone" is no longer configured.')
    with office.at_work(office.courier({"gone": fake()})):
        assert office.next().outcome == "delivered", "at once: a receiver that was mended is told of what waits for it"


def test_a_page_to_a_receiver_with_a_typo_goes_out_as_soon_as_it_is_mended(office, fake):
    (key,) = office.owe("oncall")
    problem = 'The URL of receiver "oncall" cannot be used. There is no service with the scheme "slak://".'
    with office.at_work(office.courier({"oncall": Unusable(problem)})):
        assert office.next().outcome == "retry"
    assert office.row(key).state == "retry" and office.row(key).problem.startswith(problem)
    with office.at_work(office.courier({"oncall": fake()})):
        assert office.next().outcome == "delivered"


@pytest.mark.parametrize("reason", get_args(Reason))
def test_only_what_a_person_need_not_act_on_is_ever_given_up(reason):
    notice = Notice("k", an_incident().id, "oncall", reason, 1, 0, T0, T0)
    claimed = Claimed(notice, 1, "c", T0 + 90.0, an_incident(), [], (0, b""))
    lasting = reason not in ("acknowledged", "recovered", "closed", "test")
    for result, at in ((REFUSED, T0), (RETRY, T0 + 90_000.0)):
        settled, retry_at = settle(claimed, result, at, Terms())
        assert (settled.outcome, retry_at is not None) == (("retry", True) if lasting else ("dead", False))
    assert (settle(claimed, SILENT, T0, Terms())[1] is not None) is lasting


def test_after_a_restart_nothing_waits_longer_than_five_minutes(office, fake):
    (key,) = office.owe("oncall")
    with office.at_work(office.courier({"oncall": fake(REFUSED)})):
        for minutes in (5, 10, 20, 40):
            office.next()
            office.move(60.0 * minutes)
        office.next()
    assert office.row(key).due_at == office.clock.now() + 3600.0
    started = office.clock.now()
    with office.at_work(office.courier({"oncall": fake()})):
        office.looked()
        office.move(300.0)
        assert office.next().outcome == "delivered"
    assert office.clock.now() == started + 300.0


def test_new_senders_count_from_the_next_message_on(office, fake):
    old, new = fake(RETRY), fake()
    office.owe("oncall")
    with office.at_work(office.courier({"oncall": old})) as courier:
        office.next()
        courier.use({"oncall": new})
        office.move(1.0)
        assert office.next().outcome == "delivered"
    assert (len(old.sent), len(new.sent)) == (1, 1)


def test_what_somebody_has_acknowledged_is_not_sent_any_more(office, fake):
    sender = fake()
    (key,) = office.owe("oncall")
    office.change(state="acknowledged", acknowledged_by="ada", acknowledged_at=office.clock.now())
    with office.at_work(office.courier({"oncall": sender})):
        assert office.held.get(timeout=15) == "cancelled"
    assert not sender.sent
    assert office.row(key).state == "cancelled" and "acknowledged" in office.entries("no_notice")[0]


def test_a_silence_puts_a_notice_off_and_swallows_nothing(office, fake):
    sender = fake()
    (key,) = office.owe("oncall")
    office.silence(ends_at=office.clock.now() + 30.0)
    with office.at_work(office.courier({"oncall": sender})):
        assert office.held.get(timeout=15) == "silenced"
        office.move(31.0)
        assert office.next().outcome == "delivered"
    assert office.row(key).state == "delivered"


def test_a_silence_costs_a_notice_no_attempt_however_long_it_is_put_off(office, fake):
    (key,) = office.owe("oncall")
    office.silence(ends_at=office.clock.now() + 3600.0)
    with office.at_work(office.courier({"oncall": fake(RETRY)})):
        for _ in range(5):
            assert office.held.get(timeout=15) == "silenced"
            row = office.row(key)
            assert (row.state, row.attempt) == ("pending", 0) and row.problem.startswith("ada has silenced it")
            office.move(60.0)
        office.end_silence()
        office.move(60.0)
        assert office.next().attempt == 1
    assert office.row(key).due_at <= office.clock.now() + 1.0, "the first retry comes after a second"


def test_a_silence_with_a_pattern_that_is_no_longer_taken_is_named_and_holds_nothing_back(office, fake, capsys):
    office.owe("oncall")
    office.silence(ends_at=office.clock.now() + 30.0, model=("=~", r"(fraud)-eu|\1"))
    with office.at_work(office.courier({"oncall": fake()})):
        assert office.next().outcome == "delivered"
    assert "The silence s-1 of ada holds nothing back, so set another one." in capsys.readouterr().out


def test_a_silence_ended_early_lets_the_notice_go_within_a_minute(office, fake):
    office.owe("oncall")
    office.silence(ends_at=office.clock.now() + 86_400.0)
    with office.at_work(office.courier({"oncall": fake()})):
        assert office.held.get(timeout=15) == "silenced"
        office.end_silence()
        office.move(60.0)
        assert office.next().outcome == "delivered"


def test_news_waits_for_the_call_before_it_and_goes_to_nobody_whom_none_reached(office, fake):
    slow, refusing = fake(Result("retry", "rateLimited", 30.0, "Slow down."), Result("delivered")), fake(REFUSED)
    _page, never = office.owe("slow", "refusing")
    with office.at_work(office.courier({"slow": slow, "refusing": refusing})):
        office.next(), office.next()
        office.change(state="recovered", changed_at=office.clock.now(), cleared_at=office.clock.now())
        (word,) = office.owe_news("recovered", "slow")
        office.move(29.0)
        assert office.row(word).state == "pending"
        office.move(1.0)
        assert office.next().notice_reason == "opened"
        office.move(6.0)
        assert office.next().notice_reason == "recovered"
        assert [message.reason for message in slow.sent] == ["opened", "opened", "recovered"]
        office.change(state="closed", closed_by="ada")
        office.move(600.0)
        assert office.held.get(timeout=15) == "cancelled"
        assert office.row(never).state == "cancelled"
        (closed,) = office.owe_news("closed", "refusing")
        office.wake()
        assert office.held.get(timeout=15) == "cancelled"
    assert office.row(closed).problem == "no call about the incident reached this receiver"
    assert len(refusing.sent) == 1


def test_a_page_is_sent_the_moment_it_is_committed(office, fake):
    sender = fake()
    with office.at_work(office.courier({"oncall": sender})) as courier:
        office.looked()
        office.owe("oncall")
        office.wake()
        assert office.next().outcome == "delivered"
    assert courier.turns <= 4, "it slept until it was woken"


def test_a_target_that_hangs_blocks_nobody_else(office, fake):
    stuck, well = fake(), fake()
    stuck.gate.clear()
    office.owe("stuck", repeats=20, reason="repeat")
    with office.at_work(office.courier({"stuck": stuck, "well": well}, Terms(workers=2))):
        assert stuck.started.wait(15)
        office.owe("well", repeats=5, reason="repeat")
        office.wake()
        assert [office.next().target for _ in range(5)] == ["well"] * 5
        assert len(stuck.sent) == 1, "its other messages wait for it, not for workers"
        stuck.gate.set()


def test_one_target_gets_one_message_at_a_time_however_many_workers_are_free(office, fake):
    sender = fake()
    office.owe("oncall", repeats=8, reason="repeat")
    with office.at_work(office.courier({"oncall": sender}, Terms(workers=8))):
        assert {office.next().outcome for _ in range(8)} == {"delivered"}
    assert sender.most_at_once == 1


def test_a_target_is_told_no_faster_than_its_rate(office, fake):
    sender = fake()
    office.owe("oncall", repeats=3, reason="repeat")
    with office.at_work(office.courier({"oncall": sender}, Terms(rate=Rate(burst=2.0, per_second=0.1)))):
        office.next(), office.next()
        office.owe("other")
        office.move(9.0)
        assert office.next().target == "other"
        assert len(sender.sent) == 2
        office.move(1.1)
        assert office.next().target == "oncall"


def test_two_couriers_send_every_notice_once(office, fake):
    senders = {f"t{n}": fake() for n in range(4)}
    keys = office.owe(*senders, repeats=10, reason="repeat")
    terms = Terms(workers=4, rate=Rate(1000.0, 1000.0))
    with office.at_work(office.courier(senders, terms)), office.at_work(office.courier(senders, terms)):
        told = [office.next() for _ in keys]
    assert all(delivery.recorded and delivery.attempt == 1 for delivery in told)
    assert sum(len(sender.sent) for sender in senders.values()) == len(keys)
    assert {office.row(key).state for key in keys} == {"delivered"}


def test_a_courier_that_outlives_its_lease_loses_its_say(office, fake):
    slow, quick = fake(REFUSED), fake()
    slow.gate.clear()
    (key,) = office.owe("oncall")
    with office.at_work(office.courier({"oncall": slow})):
        assert slow.started.wait(15)
        office.clock.at += 91.0
        with office.at_work(office.courier({"oncall": quick})):
            assert office.next().attempt == 2
        slow.gate.set()
        late = office.next()
    assert (late.attempt, late.recorded) == (1, False)
    assert (office.row(key).state, office.row(key).attempt) == ("delivered", 2)
    assert not office.entries("notice_dead")


def test_a_courier_that_stood_still_before_sending_does_not_send_on_an_old_lease(office, fake):
    sender = fake()
    (key,) = office.owe("oncall")
    courier = office.courier({"oncall": sender})
    assert courier.turn()
    office.clock.at += 90.0
    with office.at_work(courier):
        assert office.next().attempt == 2
    assert len(sender.sent) == 1 and office.row(key).state == "delivered"


def test_an_attempt_never_gets_longer_than_its_deadline_or_its_lease(office, fake):
    sender = fake()
    office.owe("a", "b")
    with office.at_work(office.courier({"a": sender}, Terms(deadline=7.0))):
        office.next(), office.next()
    office.owe("a", reason="repeat")
    with office.at_work(office.courier({"a": sender}, Terms(deadline=30.0, lease=10.0))):
        office.next()
    assert sender.deadlines == [7.0, 9.0]


def test_a_sender_that_raises_leaves_the_outcome_unknown_and_the_courier_alive(office, fake):
    class Broken:
        label = "broken"

        def send(self, message, deadline):
            raise RuntimeError("planted-secret")

    office.owe("broken", "well")
    with office.at_work(office.courier({"broken": Broken(), "well": fake()})):
        told = {delivery.target: delivery.outcome for delivery in (office.next(), office.next())}
    assert told == {"broken": "unknown", "well": "delivered"}
    (entry,) = office.entries("notice_unknown")
    assert "RuntimeError" in entry and "planted-secret" not in entry


def test_an_outcome_is_written_once_the_ledger_can_be_had_again(office, fake):
    sender = fake()
    sender.gate.clear()
    (key,) = office.owe("oncall")
    with office.at_work(office.courier({"oncall": sender})):
        assert sender.started.wait(15)
        with Database.open(office.path, patience=15.0) as other, other.write(office.clock.now()):
            sender.gate.set()
            with pytest.raises(queue.Empty):
                office.told.get(timeout=0.6)  # longer than the courier's patience with the lock
        assert office.next().recorded
    assert office.row(key).state == "delivered" and len(sender.sent) == 1


def test_stopping_waits_for_what_is_on_its_way(office, fake):
    sender = fake()
    sender.gate.clear()
    (key,) = office.owe("oncall")
    with office.at_work(office.courier({"oncall": sender})):
        assert sender.started.wait(15)
        threading.Timer(0.1, sender.gate.set).start()
    assert office.row(key).state == "delivered"


def test_stopping_cuts_what_takes_too_long_and_never_waits_for_the_stuck(office, fake):
    cut, stuck = fake(SILENT), fake()
    cut.gate.clear()
    stuck.gate.clear()
    keys = office.owe("cut", "stuck")
    terms = Terms(workers=2, drain=0.1)
    with office.at_work(office.courier({"cut": cut, "stuck": stuck}, terms, cut=cut.gate.set)):
        assert cut.started.wait(15) and stuck.started.wait(15)
    assert office.next().target == "cut"
    assert [office.row(key).state for key in keys] == ["retry", "sending"]
    office.clock.at += 91.0
    well = fake()
    with office.at_work(office.courier({"cut": well, "stuck": well})):
        assert {office.next().outcome for _ in range(2)} == {"delivered"}
    stuck.gate.set()
    assert not office.next().recorded, "a courier that has stopped writes nothing any more"
    assert office.row(keys[1]).state == "delivered"


def test_the_watchdog_sees_turns_and_what_is_waited_for(office, fake):
    stuck = fake()
    stuck.gate.clear()
    office.owe("stuck", "other")
    with office.at_work(office.courier({"stuck": stuck, "other": stuck}, Terms(workers=1))) as courier:
        assert stuck.started.wait(15)
        ends = time.monotonic() + 15
        while courier.waiting != "receivers":
            office.wake()
            assert time.monotonic() < ends
        before = courier.turns
        while courier.turns == before:
            office.wake()
            assert time.monotonic() < ends
        stuck.gate.set()
        office.next(), office.next()


def test_no_part_of_an_address_reaches_ledger_audit_log_or_metrics(office, monkeypatch, capsys):
    """Through real helpers, with no network: what goes out is sent to a port where nothing listens."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    urls = {
        "web": "json://PlantedUser:PlantedPass@127.0.0.1:1/PlantedPath?-X=PlantedValue",
        "pager": "pagerduty://PlantedIntegrationKey@PlantedApiKey",
        "chat": "slack://T1JPLANTD/B1PLANTED/PlantedSlackToken1234567/#plantedchannel",
        "mail": "mailto://PlantedUser:PlantedPass@127.0.0.1:1?to=planted.to@example.com&from=planted@example.com",
        "typo": "slak://PlantedToken",
    }
    pool = HelperPool(size=2)
    keys = office.owe(*urls)
    try:
        with office.at_work(office.courier(apprise_senders(urls, pool).all)):
            told = [office.next() for _ in urls]
    finally:
        pool.close()
    with office.database.read() as connection:
        bodies = [body.decode() for (body,) in connection.execute(select(audit.c.body))]
    shown = capsys.readouterr()
    everything = f"{told} {[office.row(key) for key in keys]} {bodies} {shown.out} {shown.err}".lower()
    assert "nothing listens at its address" in everything and "did you mean" in everything
    assert "planted" not in everything and "plantd" not in everything


def test_a_call_that_is_tried_again_waits_for_what_holds_calls_back_by_then(office, fake):
    sender = fake(Result("retry", "serverError", None, "The receiver answered 500."), Result("delivered"))
    holds: list[Hold | None] = [None]
    began = office.clock.at
    (key,) = office.owe("oncall")
    with office.at_work(office.courier({"oncall": sender}, holding=lambda target, incident: holds[-1])):
        assert office.next().outcome == "retry"
        holds.append(Hold(began + 100_000.0, "Maintenance holds calls back until then: a move"))
        office.move(3_600.0)
        end = time.monotonic() + 30.0
        while office.row(key).due_at <= began + 3_600.0 and time.monotonic() < end:  # until it has looked again
            office.sleepers[-1].slept.clear()
            office.wake()
            office.looked()
        row = office.row(key)
        assert len(sender.sent) == 1 and row.due_at == began + 3_660.0, "looked at again within a minute"
        assert row.problem.startswith("Maintenance holds calls back")
        holds.append(None)
        office.move(60.0)
        assert office.next().outcome == "delivered"


def test_a_mistake_about_what_holds_back_keeps_no_call_and_news_are_not_held(office, fake):
    sender = fake()
    office.owe("oncall")
    with office.at_work(office.courier({"oncall": sender}, holding=lambda target, incident: 1 / 0)):
        assert office.next().outcome == "delivered"
    office.change(state="acknowledged", acknowledged_by="ada", acknowledged_at=office.clock.at)
    office.owe_news("acknowledged")
    with office.at_work(office.courier({"oncall": sender}, holding=lambda target, incident: Hold(9e9, "x"))):
        assert office.next().outcome == "delivered"
