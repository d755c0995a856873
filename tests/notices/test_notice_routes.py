from __future__ import annotations

from deciding import T0, an_incident

from monitor.core.notices.model import Policy, Receiver, Route
from monitor.core.notices.routes import listeners, owners_receivers

PHONE, CHAT, MAIL = Receiver("phone"), Receiver("chat"), Receiver("mail")


def names(policy: Policy, labels: dict[str, str] | None = None, **given: str) -> list[str]:
    return [each.receiver.name for each in listeners(an_incident(**given), policy, labels or {}, T0)]


def policy(*routes: Route) -> Policy:
    return Policy((PHONE, CHAT, MAIL), routes)


def test_without_routes_everybody_is_told() -> None:
    assert names(policy()) == ["phone", "chat", "mail"]


def test_the_first_route_that_matches_is_the_last_unless_it_goes_on() -> None:
    routes = (Route(("phone",), {"model": "fraud-*"}, continue_=True), Route(("chat", "phone")), Route(("mail",)))
    assert names(policy(*routes)) == ["phone", "chat"]
    assert names(policy(*routes), model="churn") == ["chat", "phone"]


def test_a_route_asks_for_a_severity_at_least() -> None:
    told = policy(Route(("phone",), min_severity="medium"))
    assert names(told, severity="medium") == ["phone"]
    assert names(told, severity="low") == []


def test_routes_compare_labels_of_the_rule_and_the_owner() -> None:
    told = policy(Route(("phone",), {"labels.team": "risk"}), Route(("mail",), {"owner": "kim"}))
    assert names(told, {"team": "risk"}) == ["phone"]
    assert names(told, {"team": "care"}, owner="kim") == ["mail"]
    assert names(told, {"team": "care"}) == []


def test_a_route_to_a_receiver_that_does_not_exist_leads_nowhere() -> None:
    assert names(policy(Route(("pager", "mail")))) == ["mail"]


def test_the_owner_is_told_where_a_route_names_the_owner() -> None:
    told = policy(Route(("phone",)), Route(("mail",), {"owner": "kim"}))
    assert owners_receivers(an_incident(owner="kim"), told, {}, T0) == (MAIL,)
    assert owners_receivers(an_incident(owner="lee"), told, {}, T0) == (PHONE,)
