"""Acknowledging by a link, and by PagerDuty's webhooks: what is asked, what acts, and what does not."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.notices.model import Policy, Receiver
from monitor.core.oversight.links import LASTS, LinkError, link_for, seal, unseal
from monitor.core.times import rfc3339
from monitor.web.api.pagerduty import acknowledged
from monitor.web.problems import Problem

Site = Any  # of conftest
HOOK = b"planted-hook-secret"


@pytest.fixture
def sent(site: Site) -> tuple[str, str]:
    """An open incident, and the path of a link about it."""
    site.model()
    id_ = site.incident("NegativeAmounts")
    return id_, path_of(site, id_)


def path_of(site: Site, id_: str, attempt: int = 1, at: float | None = None) -> str:
    link = link_for(id_, "oncall", "key", attempt, site.clock.at if at is None else at)
    return f"/a/{seal(link, site.front.link_key)}"


def state(site: Site, id_: str) -> tuple[str, str | None]:
    shown = site.get(f"/v1/incidents/{id_}").json()
    return shown["state"], shown["acknowledged_by"]


def test_looking_only_asks_and_the_button_acts(site: Site, sent: tuple[str, str]) -> None:
    id_, path = sent
    for _ in range(3):
        asked = site.get(path, role=None)
        assert asked.status_code == 200 and "I have it" in asked.text and "NegativeAmounts" in asked.text
        assert f'action="{path}"' in asked.text
    assert state(site, id_) == ("open", None)
    done = site.post(path, role=None)
    assert done.status_code == 200 and "You have it" in done.text
    assert state(site, id_) == ("acknowledged", "link:oncall"), "on record: by which door"


def test_it_works_once(site: Site, sent: tuple[str, str]) -> None:
    id_, path = sent
    site.post(path, role=None)
    site.post(f"/v1/incidents/{id_}/release", {})
    for again in (site.post(path, role=None), site.get(path, role=None)):
        assert again.status_code == 403 and "used already" in again.text
    assert state(site, id_)[0] == "open"
    assert site.post(path_of(site, id_, attempt=2), role=None).status_code == 200


def test_it_works_for_some_hours(site: Site, sent: tuple[str, str]) -> None:
    id_, path = sent
    site.clock.at += LASTS
    for late in (site.get(path, role=None), site.post(path, role=None)):
        assert late.status_code == 403 and "has expired" in late.text
    assert state(site, id_)[0] == "open"


def test_links_of_a_receiver_can_be_taken_back(site: Site, sent: tuple[str, str]) -> None:
    id_, path = sent
    site.desk.policy = Policy((Receiver("oncall"),))
    assert site.ask("DELETE", "/v1/receivers/oncall/links").json() == {"revoked": "oncall"}
    for void in (site.get(path, role=None), site.post(path, role=None)):
        assert void.status_code == 403 and "taken back" in void.text
    site.clock.at += 1
    assert site.post(path_of(site, id_), role=None).status_code == 200, "later ones work"
    assert site.ask("DELETE", "/v1/receivers/nobody/links").status_code == 404


def test_what_cannot_be_acknowledged_uses_no_link_up(site: Site, sent: tuple[str, str]) -> None:
    id_, path = sent
    site.post(f"/v1/incidents/{id_}/close", {})
    assert site.post(path, role=None).status_code == 403
    site.post(f"/v1/incidents/{id_}/reopen", {})
    assert site.post(path, role=None).status_code == 200


@given(cut=st.integers(0, 200), flip=st.characters(codec="ascii", categories=["L", "N"]))
def test_nothing_but_the_whole_link_is_taken(cut: int, flip: str) -> None:
    key, at = b"k" * 32, 1_764_000_000.0
    link = link_for("i-1", "oncall", "notice", 1, at)
    text = seal(link, key)
    assert unseal(text, key, at) == link
    place = cut % len(text)
    for changed in (text[:place], text[:place] + flip + text[place + 1 :]):
        if changed != text:
            with pytest.raises(LinkError):
                unseal(changed, key, at)
    with pytest.raises(LinkError):
        unseal(text, b"x" * 32, at)


@pytest.mark.parametrize("text", ["", ".", "a.b", "é.é", "x" * 5000, "[].x"])
def test_what_is_no_link_is_refused(site: Site, text: str) -> None:
    with pytest.raises(LinkError, match="no link of ours"):
        unseal(text, b"k", 0.0)


# -- PagerDuty ----------------------------------------------------------------------------------------------------


def hook(site: Site, id_: str, kind: str = "incident.acknowledged", at: float | None = None, **more: Any) -> Any:
    data = {"id": "PGR0VU2", "type": "incident", "incident_key": id_, "status": "acknowledged"}
    when = rfc3339(site.clock.at if at is None else at)
    event = {"id": "e", "event_type": kind, "occurred_at": when, "agent": {"summary": "Kim\x00 Lee"}, "data": data}
    body = json.dumps({"event": event}).encode()
    signature = "v1=" + hmac.new(more.get("key", HOOK), body, hashlib.sha256).hexdigest()
    site.front.hooks = {"pd": HOOK}
    path = f"/hooks/pagerduty/{more.get('name', 'pd')}"
    return site.ask("POST", path, body, None, X_PagerDuty_Signature=more.get("signature", f"v1=00,{signature}"))


def test_what_was_acknowledged_there_is_acknowledged_here(site: Site, sent: tuple[str, str]) -> None:
    id_, _ = sent
    assert hook(site, id_).json() == {"acknowledged": True}
    assert state(site, id_) == ("acknowledged", "pagerduty:pd (Kim Lee)")
    assert hook(site, id_).json() == {"acknowledged": False}, "said twice, done once"


@pytest.mark.parametrize(
    "wrong", [{"key": b"other"}, {"signature": ""}, {"signature": "v1=é"}, {"name": "nobody"}, {"signature": "v1=,"}]
)
def test_without_the_signature_nothing_is_done(site: Site, sent: tuple[str, str], wrong: dict[str, Any]) -> None:
    id_, _ = sent
    if "é" in wrong.get("signature", ""):
        wrong = {"signature": "v1=é".encode()}
    assert hook(site, id_, **wrong).status_code == 401
    assert state(site, id_)[0] == "open"


def test_other_events_other_incidents_and_earlier_acknowledgements_change_nothing(
    site: Site, sent: tuple[str, str]
) -> None:
    id_, _ = sent
    assert hook(site, id_, "incident.resolved").json() == {"acknowledged": False}
    assert hook(site, id_, "pagey.ping").json() == {"acknowledged": False}
    assert hook(site, "of somebody else").json() == {"acknowledged": False}
    assert hook(site, id_, at=site.clock.at - 7 * 86_400).json() == {"acknowledged": False}
    assert state(site, id_)[0] == "open"


@given(st.recursive(st.none() | st.text() | st.integers(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)))
def test_no_signed_body_is_a_fault_of_ours(value: Any) -> None:
    for body in (json.dumps(value), json.dumps({"event": value}), str(value)):
        try:
            acknowledged(body.encode())
        except Problem as problem:
            assert problem.status == 400


def test_the_secret_is_shown_nowhere(site: Site) -> None:
    site.front.hooks = {"pd": HOOK}
    assert "planted" not in repr(replace(site.front))
