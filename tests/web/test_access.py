"""Tokens, users, login links, sessions: who gets in, how long, and that nothing secret is kept."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from typing import Any

import pytest

Site = Any  # of conftest
BASE = "http://127.0.0.1:8420"


def link_of(site: Site, role: str = "admin", next_: str = "/") -> str:
    """The path and query of a new login link."""
    url = site.post("/v1/login-links", {"next": next_}, role).json()["url"]
    return str(url.removeprefix(site.front.public_url))


def exchange(site: Site, link: str, **headers: str) -> Any:
    site.client.cookies.clear()
    fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', site.client.get(link).text))
    return site.client.post("/login", data=fields, headers={"Origin": BASE, **headers})


# -- tokens -------------------------------------------------------------------------------------------------------


def test_a_revoked_token_stops_working_at_once(site: Site) -> None:
    made = site.post("/v1/tokens", {"user": "kim", "role": "operator"}).json()
    held = {"Authorization": f"Bearer {made['token']}"}
    assert site.get("/v1/incidents", None, **held).status_code == 200
    assert site.ask("DELETE", f"/v1/tokens/{made['id']}").json() == {"revoked": made["id"]}
    assert site.get("/v1/incidents", None, **held).status_code == 401
    assert site.ask("DELETE", f"/v1/tokens/{made['id']}").status_code == 200, "twice is once"


def test_a_token_expires(site: Site) -> None:
    made = site.post("/v1/tokens", {"user": "kim", "role": "operator", "days": 2}).json()
    site.clock.at += 2 * 86_400 - 1
    assert site.get("/v1/incidents", None, Authorization=f"Bearer {made['token']}").status_code == 200
    site.front.doorkeeper.forget()  # what a front does by itself after two seconds
    site.clock.at += 1
    assert site.get("/v1/incidents", None, Authorization=f"Bearer {made['token']}").status_code == 401


def test_a_disabled_user_is_out_with_every_token_and_session(site: Site) -> None:
    made = site.post("/v1/users", {"name": "kim", "role": "operator"}).json()
    held = {"Authorization": f"Bearer {made['token']}"}
    assert site.get("/v1/incidents", None, **held).status_code == 200
    assert site.ask("DELETE", "/v1/users/kim").json() == {"disabled": "kim"}
    assert site.get("/v1/incidents", None, **held).status_code == 401
    (kim,) = site.get("/v1/users").json()["users"]
    assert kim["disabled_at"] is not None


def test_an_admin_cannot_shut_themselves_out(site: Site) -> None:
    answer = site.ask("DELETE", "/v1/users/admin")
    assert answer.status_code == 409 and "another admin can" in answer.json()["detail"]


@pytest.mark.parametrize("name", ["machine", "admin", "signal", "Machine"])
def test_nobody_can_act_under_a_name_of_the_daemon(site: Site, name: str) -> None:
    for path, body in (
        ("/v1/users", {"name": name, "role": "viewer"}),
        ("/v1/tokens", {"user": name, "role": "admin"}),
    ):
        answer = site.post(path, body)
        assert answer.status_code == 409 and "belongs to the daemon itself in the audit log" in answer.json()["detail"]


def test_a_name_is_taken_once(site: Site) -> None:
    assert site.post("/v1/users", {"name": "kim", "role": "viewer"}).status_code == 201
    answer = site.post("/v1/users", {"name": "kim", "role": "admin"})
    assert answer.status_code == 409 and "'kim'" in answer.json()["detail"]
    assert len(site.get("/v1/tokens").json()["tokens"]) == 2, "admin's and kim's first: the refused one made none"


def test_secrets_are_shown_once_and_kept_nowhere(site: Site, tmp_path: Any) -> None:
    secrets = [
        site.post("/v1/tokens", {"user": "kim", "role": "ingest", "label": "a service"}).json()["token"],
        site.post("/v1/users", {"name": "lee", "role": "viewer"}).json()["token"],
        link_of(site).split("t=")[1].split("&")[0],
        site.sign_in()["Cookie"].split("=")[1],
    ]
    assert all(len(secret) > 40 for secret in secrets)
    for path in ("/v1/tokens", "/v1/tokens?kind=session", "/v1/tokens?kind=login", "/v1/users", "/v1/audit?limit=1000"):
        assert not any(secret in site.get(path).text for secret in secrets), path
    site.database.checkpoint()
    for file in (tmp_path / "home").rglob("*"):
        held = file.read_bytes() if file.is_file() and file.name != "token" else b""
        assert not any(secret.encode() in held for secret in [*secrets, site.admin]), file


def test_sessions_and_links_are_listed_and_a_session_can_be_ended(site: Site) -> None:
    signed_in = site.sign_in("operator")
    assert site.client.get("/incidents", headers=signed_in).status_code == 200
    (session,) = site.get("/v1/tokens?kind=session").json()["tokens"]
    assert (session["user"], session["role"]) == ("a-operator", "operator")
    (link,) = site.get("/v1/tokens?kind=login").json()["tokens"]
    assert link["used_at"] is not None
    site.ask("DELETE", f"/v1/tokens/{session['id']}")
    assert site.client.get("/incidents", headers=signed_in).status_code == 401


# -- login links --------------------------------------------------------------------------------------------------


def test_getting_a_link_only_asks_and_posting_exchanges_it_once(site: Site) -> None:
    link = link_of(site)
    for _ in range(3):  # a mail scanner, a preview, the person
        page = site.client.get(link)
        assert page.status_code == 200 and "set-cookie" not in page.headers and "once" in page.text
    first = exchange(site, link)
    assert first.status_code == 303 and first.headers["location"] == "/"
    second = exchange(site, link)
    assert second.status_code == 403 and "set-cookie" not in second.headers
    assert "works once and for ten minutes" in second.text


def test_a_link_lasts_ten_minutes(site: Site) -> None:
    made = site.post("/v1/login-links", {}).json()
    link = made["url"].removeprefix(site.front.public_url)
    site.clock.at += 599
    assert exchange(site, link).status_code == 303
    link = link_of(site)
    site.clock.at += 600
    assert exchange(site, link).status_code == 403


def test_of_many_who_exchange_a_link_at_once_one_gets_in(site: Site) -> None:
    secret = link_of(site).split("t=")[1].split("&")[0]
    codes: list[int] = []

    def go() -> None:
        answer = site.client.post("/login", data={"t": secret}, headers={"Origin": BASE})
        codes.append(answer.status_code)

    threads = [threading.Thread(target=go) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(codes) == [303] + [403] * 7


@pytest.mark.parametrize(
    "elsewhere",
    ["//evil.example", "https://evil.example/", "/\\evil.example", "\\\\evil.example", "javascript:alert(1)", "evil",
     "/\t/evil.example", "///evil.example", "http:evil.example", "", "/\n//evil.example", "//[", "/%09/evil\x00"],
)  # fmt: skip
def test_a_link_never_leads_to_another_site(site: Site, elsewhere: str) -> None:
    assert site.post("/v1/login-links", {"next": elsewhere}).status_code == 422
    secret = link_of(site).split("t=")[1].split("&")[0]
    page = site.client.get("/login", params={"t": secret, "next": elsewhere})
    assert 'name="next" value="/"' in page.text
    answer = site.client.post("/login", data={"t": secret, "next": elsewhere}, headers={"Origin": BASE})
    assert answer.status_code == 303 and answer.headers["location"] == "/"


def test_a_link_leads_to_a_page_of_ours(site: Site) -> None:
    wanted = "/incidents?state=open&model=a/b"
    answer = exchange(site, link_of(site, next_=wanted).replace("&amp;", "&"))
    assert answer.headers["location"].replace("&amp;", "&") == wanted


# -- sessions -----------------------------------------------------------------------------------------------------


def session_of(site: Site, token: str) -> dict[str, str]:
    """Headers of a browser that signed in by a link made with this token."""
    link = site.post("/v1/login-links", {}, None, Authorization=f"Bearer {token}").json()["url"]
    answer = exchange(site, link.removeprefix(site.front.public_url))
    site.client.cookies.clear()  # each request names its own
    return {"Cookie": answer.headers["set-cookie"].split(";")[0], "Origin": BASE}


def signed_in(site: Site, headers: dict[str, str]) -> bool:
    return site.client.get("/incidents", headers=headers).status_code == 200


def test_sessions_and_links_end_with_the_token_they_were_made_from(site: Site) -> None:
    made = site.post("/v1/tokens", {"user": "kim", "role": "operator"}).json()
    other = session_of(site, site.post("/v1/tokens", {"user": "kim", "role": "operator"}).json()["token"])
    browser = session_of(site, made["token"])
    link = site.post("/v1/login-links", {}, None, Authorization=f"Bearer {made['token']}").json()["url"]
    assert signed_in(site, browser) and signed_in(site, other)
    site.ask("DELETE", f"/v1/tokens/{made['id']}")
    assert not signed_in(site, browser)
    assert exchange(site, link.removeprefix(site.front.public_url)).status_code == 403
    assert signed_in(site, other), "made from another token"


def test_a_session_does_not_outlive_the_time_of_its_token(site: Site) -> None:
    made = site.post("/v1/tokens", {"user": "kim", "role": "operator", "days": 0.25}).json()
    browser = session_of(site, made["token"])
    site.clock.at += 6 * 3600 - 1
    assert signed_in(site, browser)
    site.clock.at += 1
    site.front.doorkeeper.forget()  # what is remembered for two seconds of real time
    assert not signed_in(site, browser)


def test_sessions_and_links_end_with_their_user(site: Site) -> None:
    token = site.post("/v1/users", {"name": "kim", "role": "operator"}).json()["token"]
    browser = session_of(site, token)
    link = site.post("/v1/login-links", {}, None, Authorization=f"Bearer {token}").json()["url"]
    assert signed_in(site, browser)
    site.ask("DELETE", "/v1/users/kim")
    assert not signed_in(site, browser)
    assert exchange(site, link.removeprefix(site.front.public_url)).status_code == 403


def test_a_session_cannot_make_itself_last_by_links_of_its_own(site: Site) -> None:
    answer = site.client.post("/v1/login-links", headers=site.sign_in())
    assert answer.status_code == 403 and "run `overloop login`" in answer.json()["detail"]


def test_a_session_cookie_is_out_of_reach_of_scripts_and_other_sites(site: Site) -> None:
    cookie = exchange(site, link_of(site)).headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=lax" in cookie and "Path=/" in cookie and "Max-Age=43200" in cookie
    assert "Secure" not in cookie, "plain HTTP on this machine"


def test_behind_https_the_cookie_is_secure(make_site: Callable[..., Site]) -> None:
    site = make_site('public_url = "https://overloop.example"\n')
    link = link_of(site)
    headers = {"Origin": "https://overloop.example", "Host": "overloop.example"}
    secret = link.split("t=")[1].split("&")[0]
    answer = site.client.post("/login", data={"t": secret}, headers=headers)
    assert answer.status_code == 303 and "Secure" in answer.headers["set-cookie"]


def test_a_session_is_not_a_token_and_a_token_is_no_session(site: Site) -> None:
    session = site.sign_in()["Cookie"].split("=")[1]
    assert site.get("/v1/incidents", None, Authorization=f"Bearer {session}").status_code == 401
    assert site.get("/v1/incidents", None, Cookie=f"overloop_session={site.admin}").status_code == 401


def test_a_session_ends_after_twelve_hours(site: Site) -> None:
    signed_in = site.sign_in()
    site.clock.at += 12 * 3600
    assert site.client.get("/incidents", headers=signed_in).status_code == 401


def test_a_session_keeps_the_role_of_who_asked_for_the_link(site: Site) -> None:
    signed_in = site.sign_in("viewer")
    id_ = site.incident()
    assert site.client.get(f"/incidents/{id_}", headers=signed_in).status_code == 200
    answer = site.client.post(f"/incidents/{id_}/acknowledge", headers=signed_in)
    assert answer.status_code == 403 and "a-viewer has the role viewer" in answer.text


COOKIE_POSTS = ["/incidents/{id}/acknowledge", "/incidents/{id}/note", "/logout", "/v1/incidents/{id}/acknowledge",
                "/v1/login-links", "/-/reload"]  # fmt: skip


@pytest.mark.parametrize("path", COOKIE_POSTS)
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:9999"},
        {"Origin": "https://127.0.0.1:8420"},
        {"Origin": "http://["},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "https://evil.example", "Sec-Fetch-Site": "same-origin"},
    ],
)
def test_a_post_with_a_session_from_elsewhere_is_refused(site: Site, path: str, headers: dict[str, str]) -> None:
    id_ = site.incident()
    cookie = {"Cookie": site.sign_in()["Cookie"]}
    answer = site.client.post(path.replace("{id}", id_), headers={**cookie, **headers})
    assert answer.status_code == 403 and "our own pages" in answer.json()["detail"]
    assert site.get(f"/v1/incidents/{id_}").json()["state"] == "open"
    assert site.client.get("/incidents", headers=cookie).status_code == 200, "still signed in"


@pytest.mark.parametrize("headers", [{"Origin": BASE}, {"Sec-Fetch-Site": "same-origin"}, {"Origin": BASE.upper()}])
def test_a_post_with_a_session_from_our_own_pages_is_taken(site: Site, headers: dict[str, str]) -> None:
    id_ = site.incident()
    cookie = {"Cookie": site.sign_in()["Cookie"]}
    assert site.client.post(f"/incidents/{id_}/acknowledge", headers={**cookie, **headers}).status_code == 303
    assert site.get(f"/v1/incidents/{id_}").json()["state"] == "acknowledged"


def test_behind_a_proxy_our_own_pages_are_at_the_public_address(make_site: Callable[..., Site]) -> None:
    site = make_site('public_url = "https://overloop.example"\n')
    id_, cookie = site.incident(), {"Cookie": site.sign_in()["Cookie"]}
    for host in ("overloop.example", "127.0.0.1:8420"):  # kept or rewritten by the proxy
        headers = {**cookie, "Host": host, "Origin": "https://overloop.example"}
        assert site.client.post(f"/incidents/{id_}/acknowledge", headers=headers).status_code == 303
    headers = {**cookie, "Host": "overloop.example", "Origin": "https://other.example"}
    assert site.client.post(f"/incidents/{id_}/acknowledge", headers=headers).status_code == 403


def test_a_token_needs_no_origin(site: Site) -> None:
    id_ = site.incident()
    assert site.post(f"/v1/incidents/{id_}/acknowledge", Origin="https://evil.example").status_code == 200


def test_a_login_from_another_site_is_refused_and_the_link_still_works(site: Site) -> None:
    link = link_of(site)
    secret = link.split("t=")[1].split("&")[0]
    for headers in ({}, {"Origin": "https://evil.example"}):
        assert site.client.post("/login", data={"t": secret}, headers=headers).status_code == 403
    assert exchange(site, link).status_code == 303


def test_signing_out_ends_the_session_here_and_in_the_ledger(site: Site) -> None:
    signed_in = site.sign_in("operator")
    answer = site.client.post("/logout", headers=signed_in)
    assert answer.status_code == 303 and answer.headers["location"] == "/login"
    assert 'overloop_session=""' in answer.headers["set-cookie"]
    assert site.client.get("/incidents", headers=signed_in).status_code == 401
    (session,) = site.get("/v1/tokens?kind=session").json()["tokens"]
    assert session["revoked_at"] is not None
    assert "signed out" in site.client.get("/login").text


def test_every_way_in_is_on_record(site: Site) -> None:
    site.sign_in("operator")
    site.post("/v1/users", {"name": "kim", "role": "viewer"})
    site.ask("DELETE", "/v1/users/kim")
    found = [entry["kind"] for entry in site.get("/v1/audit").json()["entries"]]
    assert {"login", "token_created", "user_added", "user_disabled"} <= set(found)
