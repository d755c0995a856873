"""A receiver that fails is told of by others, and called around until it works again."""

from __future__ import annotations

from dataclasses import replace

from deciding import MINUTE, T0, an_incident

from monitor.core.incidents.casework import Casework
from monitor.core.incidents.deadlines import sweep
from monitor.core.incidents.receivers import failing, works
from monitor.core.incidents.receivers import test_of as a_test_of
from monitor.core.notices.escalation import Escalation, Step
from monitor.core.notices.model import Policy, Receiver, Route, as_of
from monitor.core.notices.plan import owed
from monitor.core.rules.model import Book
from monitor.core.view import View

BOOK = Book((), "")
A, B, C = Receiver("a", fallback="b"), Receiver("b", fallback="c"), Receiver("c")
POLICY = Policy((A, B, C), (Route(("a",)),), 0.0)


def calls(policy: Policy, incident, at: float = T0, recorded=None, *broken: str) -> list[tuple[str, str]]:
    found = owed(incident, as_of(policy, frozenset(broken)), (), at, recorded or {})
    return [(notice.reason, notice.target) for notice in found.notices]


def test_while_a_receiver_fails_its_fallback_is_called_as_well():
    assert calls(POLICY, an_incident()) == [("opened", "a")]
    assert calls(POLICY, an_incident(), T0, {}, "a") == [("opened", "a"), ("opened", "b")]
    assert calls(POLICY, an_incident(), T0, {}, "a", "b") == [("opened", "a"), ("opened", "b"), ("opened", "c")]


def test_fallbacks_in_a_circle_end():
    circle = Policy((Receiver("a", fallback="b"), Receiver("b", fallback="a")), (Route(("a",)),), 0.0)
    assert calls(circle, an_incident(), T0, {}, "a", "b") == [("opened", "a"), ("opened", "b")]


def test_a_step_that_reaches_nobody_is_not_waited_for():
    steps = (Step(("c",), 10 * MINUTE), Step(("b",), 10 * MINUTE), Step(("a",), 10 * MINUTE))
    policy = Policy((A, B, C), (Route((), escalation="p"),), 0.0, escalations={"p": Escalation("p", steps)})
    assert calls(policy, an_incident()) == [("opened", "c")]
    assert calls(policy, an_incident(), T0, {}, "c") == [("opened", "c"), ("escalated", "b")]
    plain = replace(policy, receivers=(replace(A, fallback=None), replace(B, fallback=None), C))
    assert calls(plain, an_incident(), T0, {}, "b", "c") == [("opened", "c"), ("escalated", "b"), ("escalated", "a")]


def work_on(*incidents, broken=(), recorded=None, policy=POLICY) -> Casework:
    view = View(0, incidents={i.id: i for i in incidents}, failing=frozenset(broken), recorded=recorded or {})
    return Casework(view, policy, BOOK, T0)


def test_an_incident_about_it_opens_once_and_calls_by_another_receiver():
    work = work_on(an_incident(), recorded={"1": {}})
    work.now_failing({"a"})
    id_ = failing(work, "a", "it refused the credentials")
    assert failing(work, "a", "it refused the credentials") == id_
    changes = work.finish()
    about = changes.incidents[id_]
    assert (about.key, about.model, about.severity, about.state) == (
        "overloop/ReceiverFailing", "receiver:a", "high", "open",
    )  # fmt: skip
    assert "it refused the credentials" in about.summary and "overloop receivers test a" in about.action
    targets = {notice.target for notice in changes.notices if notice.incident == id_}
    assert targets == {"b"}


def test_where_the_routes_lead_to_nobody_else_every_receiver_that_works_is_called():
    alone = Policy((Receiver("a"), Receiver("b"), Receiver("c")), (Route(("a",)),), 0.0)
    work = work_on(policy=alone)
    work.now_failing({"a", "b"})
    id_ = failing(work, "a", "x")
    assert [notice.target for notice in work.finish().notices if notice.incident == id_] == ["c"]


def test_it_goes_away_when_the_receiver_works_again_and_no_book_is_asked_for_its_rule():
    work = work_on()
    id_ = failing(work, "a", "x")
    about = work.finish().incidents[id_]
    view = View(0, incidents={id_: about}, failing=frozenset({"a"}))
    assert not sweep(view, BOOK, replace(POLICY, routes=()), T0).incidents, "its watch has not ended"
    after = work_on(about)
    works(after, "a")
    assert after.finish().incidents[id_].state == "recovered"
    works(after, "never-failed")


def test_a_test_is_owed_to_one_receiver_whatever_the_routes_say():
    work = work_on()
    made = a_test_of(work, "c", "t-1", "kim")
    (notice,) = work.finish().notices
    assert (notice.target, notice.reason, made.state, made.stage) == ("c", "test", "closed", "shadow")
    assert [entry.kind for entry in work.changes.entries] == ["receiver_tested"]
