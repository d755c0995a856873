"""Incidents over HTTP, exactly as scripts outside the repository rely on them."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from monitor.web import shapes

Site = Any  # of conftest
PINNED = {
    "id", "state", "pack", "rule", "model", "version", "severity", "stage", "historical", "opened_at", "changed_at",
    "summary", "meaning", "action", "evidence", "owner", "acknowledged_by", "acknowledged_at", "verdict", "notices",
    "revision",
}  # fmt: skip
EVIDENCE = {"column", "segment", "statistic", "value", "expected", "effect", "interval", "n", "at"}
UTC = r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z"


def test_an_incident_has_exactly_what_was_promised_and_more_beside(site: Site) -> None:
    id_ = site.incident()
    site.told(id_, "phone")
    shown = site.get(f"/v1/incidents/{id_}").json()
    shapes.Incident.model_validate(shown)
    assert set(shown) >= PINNED
    assert set(shown["evidence"][0]) >= EVIDENCE and set(shown["notices"][0]) == {"target", "reason", "state", "at"}
    assert shown["notices"][0] | {"at": ""} == {"target": "phone", "reason": "opened", "state": "delivered", "at": ""}
    assert (shown["state"], shown["pack"], shown["rule"], shown["revision"]) == ("open", "shop", "ScoreShift", 1)


def test_a_list_has_incidents_newest_first_and_where_the_next_page_starts(site: Site) -> None:
    ids = []
    for n in range(5):
        site.clock.at += 1
        ids.append(site.incident("NegativeAmounts", model="shop-eu" if n % 2 else "a/b"))
    page = site.get("/v1/incidents?limit=2").json()
    shapes.Incidents.model_validate(page)
    seen = [incident["id"] for incident in page["incidents"]]
    while page["next"] is not None:
        page = site.client.get("/v1/incidents", params={"limit": 2, "after": page["next"]}, headers=bearer(site)).json()
        seen += [incident["id"] for incident in page["incidents"]]
    assert seen == ids[::-1]
    assert set(site.get("/v1/incidents?limit=1").json()["incidents"][0]) == PINNED
    assert site.get("/v1/incidents?state=closed").json() == {"incidents": [], "next": None}
    assert [i["id"] for i in site.get("/v1/incidents?state=open&model=a%2Fb").json()["incidents"]] == ids[::2][::-1]
    assert len(site.get("/v1/incidents?rule=shop/NegativeAmounts").json()["incidents"]) == 5
    assert len(site.get("/v1/incidents?rule=NegativeAmounts&state=open").json()["incidents"]) == 5


def bearer(site: Site) -> dict[str, str]:
    return {"Authorization": f"Bearer {site.admin}"}


@pytest.mark.parametrize(
    "query",
    ["state=foo", "state=", "limit=0", "limit=-1", "limit=1000000000", "limit=1001", "limit=x", "after=garbage", "after=",
     "after=nan", "after=inf:x", "after=1e999:x", "after=:", "after=1:" + "x" * 200, "model=", "model=" + "x" * 201, "rule=" + "x" * 300, "limit=1e3"],
)  # fmt: skip
def test_a_query_that_makes_no_sense_is_422_and_names_the_place(site: Site, query: str) -> None:
    site.incident()
    answer = site.get(f"/v1/incidents?{query}")
    assert answer.status_code == 422, answer.text
    assert query.split("=")[0] in answer.json()["detail"]


@pytest.mark.parametrize("after", ["1e300:x", "-1e300:x", "0:", "1:" + "'; DROP TABLE incidents --", "1:\U0001f525"])
def test_a_place_in_the_list_that_never_was_gives_a_page(site: Site, after: str) -> None:
    site.incident()
    answer = site.client.get("/v1/incidents", params={"after": after}, headers=bearer(site))
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "id_",
    [
        "x",
        "%2e%2e",
        "..%2f..",
        "a%2Fb",
        "%C3%A9%F0%9F%94%A5",
        "%00",
        "%0a",
        "'%20OR%201=1",
        "x" * 200,
        "x" * 5000,
        "%ff",
    ],
)
def test_an_id_of_nothing_is_404_or_422_whatever_it_is_made_of(site: Site, id_: str) -> None:
    site.incident()
    for answer in (
        site.get(f"/v1/incidents/{id_}"),
        site.post(f"/v1/incidents/{id_}/acknowledge", {}),
        site.ask("DELETE", f"/v1/silences/{id_}"),
        site.ask("DELETE", f"/v1/tokens/{id_}"),
        site.browse(f"/incidents/{id_}"),
    ):
        assert answer.status_code in (404, 405, 422), answer.url


def test_acknowledging_may_be_said_again_and_again(site: Site) -> None:
    id_ = site.incident()
    first = site.post(f"/v1/incidents/{id_}/acknowledge", {"note": "on it", "revision": 1}, "operator")
    assert first.status_code == 200
    shown = first.json()
    assert (shown["state"], shown["owner"], shown["acknowledged_by"]) == ("acknowledged", "a-operator", "a-operator")
    assert shown["notes"][0]["text"] == "on it"
    site.clock.at += 5
    again = site.post(f"/v1/incidents/{id_}/acknowledge", {"revision": 1}, "operator")
    assert again.status_code == 200, "a client that lost the answer asks again"
    assert again.json()["acknowledged_at"] == shown["acknowledged_at"]
    assert site.post(f"/v1/incidents/{id_}/acknowledge", None, "operator").status_code == 200, "no body is needed"


def test_acting_on_an_older_revision_is_409_with_the_newer_one(site: Site) -> None:
    id_ = site.incident()
    site.post(f"/v1/incidents/{id_}/acknowledge", {}, "supervisor")
    for act, body in (("acknowledge", {}), ("assign", {"owner": "kim"}), ("close", {}), ("verdict", {"verdict": "real"}),
                      ("release", {})):  # fmt: skip
        answer = site.post(f"/v1/incidents/{id_}/{act}", {**body, "revision": 1})
        assert answer.status_code == 409, act
        found = answer.json()
        assert (found["id"], found["state"], found["revision"]) == (id_, "acknowledged", 2)
        shapes.Incident.model_validate(found["current"])
        assert "a-supervisor" in found["detail"] and found["status"] == 409
    assert site.get(f"/v1/incidents/{id_}").json()["revision"] == 2, "nothing was changed"


def test_a_note_never_conflicts(site: Site) -> None:
    id_ = site.incident()
    site.post(f"/v1/incidents/{id_}/acknowledge", {})
    shown = site.post(
        f"/v1/incidents/{id_}/note", {"note": "a line\nand another, <b>ünïcode</b> 🔥"}, "operator"
    ).json()
    assert [n["text"] for n in shown["notes"]] == ["a line\nand another, <b>ünïcode</b> 🔥"]


def test_two_operators_who_acknowledge_at_once_both_get_an_answer_and_one_has_it(site: Site) -> None:
    id_ = site.incident()
    site.token("operator"), site.token("supervisor")
    answers: dict[str, Any] = {}

    def go(role: str) -> None:
        answers[role] = site.post(f"/v1/incidents/{id_}/acknowledge", {"revision": 1}, role)

    threads = [threading.Thread(target=go, args=(role,)) for role in ("operator", "supervisor")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer.status_code for answer in answers.values()) == [200, 409]
    holder = site.get(f"/v1/incidents/{id_}").json()["acknowledged_by"]
    winner = next(role for role, answer in answers.items() if answer.status_code == 200)
    loser = next(answer for answer in answers.values() if answer.status_code == 409)
    assert holder == f"a-{winner}" and holder in loser.json()["detail"]


def test_the_whole_way_of_an_incident(site: Site) -> None:
    id_ = site.incident("NegativeAmounts")
    act = lambda name, body=None: site.post(f"/v1/incidents/{id_}/{name}", body, "operator")  # noqa: E731
    assert act("acknowledge", {"for_seconds": 60}).json()["state"] == "acknowledged"
    assert act("release").json()["state"] == "open"
    assert act("assign", {"owner": "kim", "note": "yours"}).json()["owner"] == "kim"
    assert act("assign", {"owner": None}).json()["owner"] is None
    closed = act("close", {"verdict": "expected", "note": "a sale"}).json()
    assert (closed["state"], closed["verdict"], closed["closed_by"]) == ("closed", "expected", "a-operator")
    refused = act("acknowledge")
    assert refused.status_code == 409 and "Reopen it first" in refused.json()["detail"]
    assert act("reopen").json()["state"] == "open"
    assert act("verdict", {"verdict": "false"}).json()["verdict"] == "false"
    assert act("reopen").status_code == 409
    kinds = {entry["kind"] for entry in site.get("/v1/audit").json()["entries"] if entry["actor"] == "a-operator"}
    assert {"acknowledged", "released", "assigned", "incident_closed", "reopened", "verdict", "note"} <= kinds


def test_closing_what_latches_takes_a_supervisor(site: Site) -> None:
    id_ = site.incident("ScoreShift")
    refused = site.post(f"/v1/incidents/{id_}/close", {}, "operator")
    assert refused.status_code == 403 and "supervisor" in refused.json()["detail"]
    assert site.post(f"/v1/incidents/{id_}/close", {}, "supervisor").json()["state"] == "closed"


@pytest.mark.parametrize(
    ("act", "body", "place"),
    [
        ("acknowledge", {"for_seconds": 0}, "for_seconds"),
        ("acknowledge", {"for_seconds": 1e12}, "for_seconds"),
        ("acknowledge", {"take": "perhaps"}, "take"),
        ("acknowledge", {"revision": "one"}, "revision"),
        ("acknowledge", {"note": ""}, "note"),
        ("acknowledge", {"by": "somebody else"}, "by"),
        ("note", {}, "note"),
        ("note", {"note": " \n "}, "note"),
        ("note", {"note": "x" * 4001}, "note"),
        ("note", {"note": "a\0b"}, "note"),
        ("note", {"note": ["x"]}, "note"),
        ("assign", {}, "owner"),
        ("assign", {"owner": ""}, "owner"),
        ("assign", {"owner": "kim\nlee"}, "owner"),
        ("assign", {"owner": "x" * 101}, "owner"),
        ("close", {"verdict": "maybe"}, "verdict"),
        ("verdict", {}, "verdict"),
    ],
)
def test_what_an_act_does_not_take_is_422_and_changes_nothing(site: Site, act: str, body: Any, place: str) -> None:
    id_ = site.incident("NegativeAmounts")
    answer = site.post(f"/v1/incidents/{id_}/{act}", body)
    assert answer.status_code == 422 and f"body.{place}" in answer.json()["detail"]
    assert site.get(f"/v1/incidents/{id_}").json()["revision"] == 1


def test_times_are_utc_with_a_z(site: Site) -> None:
    import re

    id_ = site.incident()
    shown = site.post(f"/v1/incidents/{id_}/acknowledge", {}).json()
    for name in ("opened_at", "changed_at", "acknowledged_at", "acknowledged_until"):
        assert re.fullmatch(UTC, shown[name]), (name, shown[name])
    assert re.fullmatch(UTC, shown["evidence"][0]["at"])
    assert shown["closed_at"] is None
