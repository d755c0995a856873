"""The pages as they are read: what each shows, that text from outside stays text, and how large they are."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest

Site = Any  # of conftest
SCRIPT = "<script>alert(1)</script>"
NASTY = f'"><img src=x onerror=alert(1)>{SCRIPT}\x00\x1b[31m\u202etxt'
INLINE = {"a", "code", "span", "strong"}
VOID = {"meta", "link", "input", "br", "img"}


class Tags(HTMLParser):
    """Every element with its attributes; fails on elements that are not closed as they were opened."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.text += "" if tag in INLINE else " "
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        self.text += "" if tag in INLINE else " "
        if tag in ("p", "li", "td", "tr", "tbody", "option", "dt", "dd") and self.open[-1] != tag:
            return
        assert self.open and self.open.pop() == tag, tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.found if name == tag]


def read(answer: Any, status: int = 200) -> Tags:
    """The page, which is whole, small, and brings no script and no style of its own."""
    assert answer.status_code == status, answer.text[:500]
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert len(answer.content) < 50_000
    page = Tags(answer.text)
    assert not page.all("script") and not page.all("style") and not page.all("img")
    assert not [a for _, attrs in page.found for a in attrs if a.startswith("on") or a == "style"]
    ids = [attrs["id"] for _, attrs in page.found if "id" in attrs]
    assert len(ids) == len(set(ids))
    controls = [attrs for tag in ("input", "select", "textarea") for attrs in page.all(tag)]
    labels = {attrs["for"] for attrs in page.all("label")}
    assert {attrs.get("id") for attrs in controls if attrs.get("type") != "hidden"} == labels, (
        "each control has a label"
    )
    assert len(page.all("h1")) == len(page.all("title")) == 1 and page.all("html") == [{"lang": "en"}]
    posts = [form for form in page.all("form") if "/incidents/" in (form["action"] or "")]
    assert len([field for field in page.all("input") if field.get("name") == "revision"]) == len(posts)
    return page


def shows(page: Tags, *texts: str) -> None:
    said = " ".join(page.text.split())
    for text in texts:
        assert text in said, f"{text!r} is not in: {said}"


# -- the list -----------------------------------------------------------------------------------------------------


def test_an_empty_list_says_that_nothing_is_wrong_and_what_to_do_first(site: Site) -> None:
    page = read(site.browse("/incidents"))
    shows(
        page,
        "Nothing needs you",
        "Watching 0 models with 9 rules",
        "overloop demo",
        "There is no incident in this list",
    )
    assert site.browse("/").headers["location"] == "/incidents"


def test_the_list_shows_what_needs_people_first_of_all(site: Site) -> None:
    site.model()
    opened, shadow = site.incident("ScoreShift"), site.incident("Quietly", summary="Quietly.")
    old = site.incident("Silent", historical=True)
    held = site.incident("NegativeAmounts")
    site.post(f"/v1/incidents/{held}/acknowledge", {}, "operator")
    site.clock.at += 600
    page = read(site.browse("/incidents"))
    shows(page, "1 open incident ", "Watching 1 model ", "ScoreShift tripped.", "10 minutes ago", "a-operator has it")
    shows(page, "no owner", "shadow", "old events", "Current 4", "Open 3", "Acknowledged 1", "All 4")
    links = [a["href"] for a in page.all("a")]
    assert {f"/incidents/{id_}" for id_ in (opened, shadow, old, held)} <= set(links)
    assert f"/incidents/{held}" not in [a["href"] for a in read(site.browse("/incidents?state=open")).all("a")]


def test_a_long_list_goes_on_with_older_incidents(site: Site) -> None:
    for n in range(60):
        site.clock.at += 1
        site.incident("NegativeAmounts", summary=f"Number {n:02d}.", model="a/b")
    page = read(site.browse("/incidents?model=a%2Fb"))
    shows(page, "Number 59", "Number 10", "Only of the model a/b")
    (older,) = [a["href"] for a in page.all("a") if "after=" in (a["href"] or "")]
    assert older is not None and "model=a%2Fb" in older
    following = read(site.browse(older))
    shows(following, "Number 09", "Number 00")
    assert "Number 10" not in following.text


@pytest.mark.parametrize("query", ["state=foo", "after=garbage", "after=nan:", "model="])
def test_a_list_that_cannot_be_is_told_so_on_a_page(site: Site, query: str) -> None:
    shows(read(site.browse(f"/incidents?{query}"), 422), query.split("=")[0])


# -- an incident --------------------------------------------------------------------------------------------------


def test_an_incident_says_everything_that_a_person_at_night_asks(site: Site) -> None:
    site.model()
    id_ = site.incident("ScoreShift", [site.evidence(detail="The score rose.")], summary="The score moved.")
    site.told(id_, "phone")
    site.told(id_, "mail", outcome="dead")
    site.clock.at += 480
    page = read(site.browse(f"/incidents/{id_}"))
    shows(
        page,
        "The score moved.",
        "open",
        "high",
        "noticed 8 minutes ago",
        "Acknowledge: I have it",
        "What to do",
        "What it means",
    )
    shows(
        page,
        "Seen in output.score 0.75",
        "Expected 0.5 How far 2 standard deviations Model",
        "Model shop-eu, version 3",
        "Owner nobody",
    )
    shows(
        page,
        "mail: failed, and was given up",
        "phone: delivered",
        "The score rose. 0.75 0.5 2 standard deviations; difference 0.2 to 0.3 400",
    )
    shows(
        page, "shop/ScoreShift: Trips when the distribution of output.score moves away", "overloop incident ack " + id_
    )
    shows(page, "Opened, with severity high.", "Message to phone that it opened: delivered.")
    assert "/rules#shop/ScoreShift" in [a["href"] for a in page.all("a")]
    assert "/models/shop-eu" in [a["href"] for a in page.all("a")]


def test_nobody_was_told_and_the_page_says_why(site: Site) -> None:
    for given, why in (
        ({"rule": "Quietly"}, "the rule takes notes in shadow"),
        ({"historical": True}, "it is about old events"),
        ({}, "no receiver is set up"),
    ):
        shows(read(site.browse(f"/incidents/{site.incident(**given)}")), f"Nobody: {why}")


def test_with_receivers_the_page_says_why_they_were_not_told(make_site: Any) -> None:
    site = make_site(
        '[receivers.phone]\nurl_env = "X"\n[[routes]]\nreceivers = ["phone"]\nmin_severity = "high"\n'
        '[notices]\ngroup_wait = "30s"\n'
    )
    low, high = site.incident("SlowAnswers"), site.incident("ScoreShift")
    shows(read(site.browse(f"/incidents/{low}")), "no route leads an incident of severity low to a receiver")
    shows(read(site.browse(f"/incidents/{high}")), "the first message goes out 30 seconds after the opening")
    body = {"matchers": [{"name": "rule", "value": "ScoreShift"}], "for_seconds": 3600, "reason": "a known sale"}
    site.post("/v1/silences", body, "operator")
    shows(read(site.browse(f"/incidents/{high}")), "a-operator silenced it until", "a known sale")


def test_many_pieces_of_evidence_are_folded(site: Site) -> None:
    rows = [
        site.evidence(detail=f"Piece {n:03d} of very many that say the same thing again.", at=site.clock.at + n)
        for n in range(500)
    ]
    page = read(site.browse(f"/incidents/{site.incident('ScoreShift', rows)}"))
    shows(page, "Piece 499", "Piece 490", "60 earlier, of 490", "Piece 430", "overloop incident show")
    assert "Piece 429" not in page.text
    details = page.text.index("60 earlier")
    assert page.text.index("Piece 490") < details < page.text.index("Piece 489")


def test_long_and_many_texts_still_make_a_small_page(site: Site) -> None:
    rows = [site.evidence(column="inputs." + "c" * 190, segment="s=" + "v" * 300, detail="d" * 500) for _ in range(100)]
    id_ = site.incident(
        "ScoreShift", rows, summary="S" * 2000, meaning="M" * 2000, action="A" * 2000, model="shop-" + "m" * 190
    )
    for n in range(30):
        site.post(f"/v1/incidents/{id_}/note", {"note": f"{n}" + "n" * 3999})
    answer = site.browse(f"/incidents/{id_}")
    assert answer.status_code == 200 and Tags(answer.text)
    assert len(answer.content) < 180_000, "bounded, whatever the texts"


def test_text_from_outside_stays_text(site: Site) -> None:
    site.model(NASTY[:100].replace("\0", ""), columns={f"inputs.{SCRIPT}": "text"}, versions=(SCRIPT,))
    row = site.evidence(column=f"inputs.{NASTY}", segment=f"context.channel={NASTY}", statistic=NASTY, detail=NASTY)
    bare = site.evidence(column=f"inputs.{NASTY}", segment=NASTY, statistic=NASTY)
    id_ = site.incident(
        "ScoreShift", [row, bare], summary=NASTY, meaning=NASTY, action=NASTY, model=NASTY[:100].replace("\0", ""), version=NASTY,
        owner=NASTY, runbook_url=f"javascript:alert(1)//{NASTY}", orphaned=NASTY,
    )  # fmt: skip
    site.post(f"/v1/incidents/{id_}/note", {"note": SCRIPT + "\u202e"})
    site.post("/v1/changes", {"model": "m", "version": SCRIPT, "note": NASTY.replace("\x00", "").replace("\x1b", "")})
    for path in (f"/incidents/{id_}", "/incidents", "/models"):
        answer = site.browse(path)
        page = Tags(answer.text)
        assert not page.all("script") and not page.all("img"), path
        assert not any(c in answer.text for c in "\x00\x1b\u202e"), path
        assert "javascript:" not in " ".join(a["href"] or "" for a in page.all("a"))
    assert SCRIPT in Tags(site.browse(f"/incidents/{id_}").text).text


def test_a_runbook_is_a_link_only_where_it_leads_to_the_web(site: Site) -> None:
    page = read(site.browse(f"/incidents/{site.incident(runbook_url='https://run.example/a?b=1&c=2')}"))
    assert "https://run.example/a?b=1&c=2" in [a["href"] for a in page.all("a")]


# -- acting on it -------------------------------------------------------------------------------------------------


def press(site: Site, id_: str, act: str, signed_in: dict[str, str], **fields: str) -> Any:
    return site.client.post(f"/incidents/{id_}/{act}", data=fields, headers=signed_in)


def forms(page: Tags) -> set[str]:
    return {(form["action"] or "").rsplit("/", 1)[-1] for form in page.all("form")} - {"logout"}


def test_the_forms_of_a_page_are_those_that_can_be_sent(site: Site) -> None:
    id_ = site.incident("NegativeAmounts")
    assert forms(read(site.browse(f"/incidents/{id_}", "viewer"))) == set()
    assert forms(read(site.browse(f"/incidents/{id_}", "operator"))) == {"acknowledge", "close", "note", "assign"}
    site.post(f"/v1/incidents/{id_}/acknowledge")
    assert forms(read(site.browse(f"/incidents/{id_}", "operator"))) == {
        "acknowledge",
        "close",
        "note",
        "assign",
        "release",
    }
    site.post(f"/v1/incidents/{id_}/close")
    assert forms(read(site.browse(f"/incidents/{id_}", "operator"))) == {"verdict", "note", "assign", "reopen"}
    latched = site.incident("ScoreShift")
    shows(read(site.browse(f"/incidents/{latched}", "operator")), "that takes a supervisor")
    assert "close" not in forms(read(site.browse(f"/incidents/{latched}", "operator")))
    assert "close" in forms(read(site.browse(f"/incidents/{latched}", "supervisor")))
    recovered = site.incident("Silent", state="recovered", cleared_at=site.clock.at)
    shows(read(site.browse(f"/incidents/{recovered}")), "It went away by itself", "Seen: close it")


def test_a_person_goes_the_whole_way_by_forms(site: Site) -> None:
    id_, signed_in = site.incident("NegativeAmounts"), site.sign_in("operator")
    for act, fields, said, state in (
        ("acknowledge", {"revision": "1"}, "You have it now", "acknowledged"),
        ("note", {"note": "I look <here>"}, "Your note is written down", "acknowledged"),
        ("assign", {"owner": "kim"}, "The owner was changed", "acknowledged"),
        ("release", {}, "You gave it back", "open"),
        ("close", {"verdict": "expected", "note": "a sale"}, "It is closed", "closed"),
        ("reopen", {}, "It is open again", "open"),
        ("close", {"verdict": ""}, "It is closed", "closed"),
        ("verdict", {"verdict": "real"}, "Your verdict is written down", "closed"),
        ("assign", {"owner": " "}, "The owner was changed", "closed"),
    ):
        answer = press(site, id_, act, signed_in, **fields)
        assert answer.status_code == 303, f"{act}: {answer.text[:300]}"
        shows(read(site.client.get(answer.headers["location"], headers=signed_in)), said)
        assert site.get(f"/v1/incidents/{id_}").json()["state"] == state, act
    page = read(site.browse(f"/incidents/{id_}"))
    shows(
        page,
        "“I look <here>”",
        "“a sale”",
        "Made kim the owner.",
        "Made nobody the owner.",
        "Verdict: real.",
        "Closed.",
    )
    shows(page, "a-operator: Acknowledged.", "Gave it back", "Opened it again.", "Verdict real", "Owner nobody")
    people = read(site.browse(f"/incidents/{id_}?people=true"))
    shows(people, "Acknowledged.", "Show what the daemon did, too")
    assert "Opened, with severity" not in people.text and "Opened, with severity" in page.text


def test_a_form_that_somebody_overtook_is_refused_on_the_page_itself(site: Site) -> None:
    id_, signed_in = site.incident("NegativeAmounts"), site.sign_in("operator")
    site.post(f"/v1/incidents/{id_}/acknowledge", {}, "supervisor")
    answer = press(site, id_, "acknowledge", signed_in, revision="1")
    page = read(answer, 409)
    shows(page, "Nothing was changed.", "acknowledged by a-supervisor", "a-supervisor has it since")
    again = page.all("input")[0]["value"]
    assert again == "2", "what the person now sees is what the next press sends"
    shows(read(press(site, id_, "verdict", signed_in, verdict="perhaps"), 409), "A verdict is one of")
    shows(read(press(site, id_, "note", signed_in, note="  "), 409), "A note has 1 to 4000 characters")
    latched = site.incident("ScoreShift")
    shows(read(press(site, latched, "close", signed_in), 403), "supervisor")


def test_a_note_that_was_refused_stands_where_it_can_be_sent_again(site: Site) -> None:
    id_, signed_in = site.incident("NegativeAmounts"), site.sign_in("operator")
    site.post(f"/v1/incidents/{id_}/close", {}, "supervisor")
    page = read(press(site, id_, "close", signed_in, revision="1", note="it was <me>", verdict="expected"), 409)
    shows(page, "Your note is not lost: it stands below.", "Note it was <me> Add note", "a-supervisor closed it")
    assert "selected" in next(o for o in page.all("option") if o["value"] == "expected")
    shows(read(press(site, id_, "note", signed_in, note="x" * 4001), 409), "x" * 4001)


def test_who_is_no_longer_signed_in_is_told_how_to_get_in_and_loses_no_note(site: Site) -> None:
    id_, signed_in = site.incident("NegativeAmounts"), site.sign_in("operator")
    site.clock.at += 13 * 3600
    site.front.doorkeeper.forget()
    page = read(press(site, id_, "note", signed_in, note="I saw <it>"), 401)
    shows(page, "Please sign in", "nothing was changed", "I saw <it>", f"overloop login --next /incidents/{id_}")
    assert site.get(f"/v1/incidents/{id_}").json()["notes"] == []
    shows(read(site.client.get(f"/incidents/{id_}", headers=signed_in), 401), "leads back to this page")
    odd = site.client.get("/models/a%20b%3B%60id%60", headers={"Accept": "text/html"})
    shows(read(odd, 401), "type overloop login and open")
    large = {**signed_in, "Content-Type": "application/x-www-form-urlencoded"}
    for content in (b"note=" + b"y" * 200_000, b"note=\xff", b"a=1"):
        answer = site.client.post(f"/incidents/{id_}/note", content=content, headers=large)
        assert answer.status_code == 401 and len(answer.content) < 60_000


def test_an_incident_that_somebody_has_can_be_taken_over(site: Site) -> None:
    id_, signed_in = site.incident("NegativeAmounts"), site.sign_in("supervisor")
    site.post(f"/v1/incidents/{id_}/acknowledge", {}, "operator")
    shows(read(site.client.get(f"/incidents/{id_}", headers=signed_in)), "Take it over from a-operator.")
    assert press(site, id_, "acknowledge", signed_in, revision="2", take="1").status_code == 303
    page = read(site.client.get(f"/incidents/{id_}", headers=signed_in))
    shows(page, "a-supervisor has it since", "Owner a-supervisor")
    assert "Take it over" not in page.text


def test_a_form_that_is_none_of_ours_is_refused(site: Site) -> None:
    id_, signed_in = site.incident(), site.sign_in()
    shows(read(press(site, id_, "explode", signed_in), 404), "no act 'explode'")
    shows(read(press(site, "nothing", "acknowledge", signed_in), 404), "no incident 'nothing'")
    for content in (b"\xff\xfe=1", b"&".join(b"a%d=1" % n for n in range(50))):
        headers = {**signed_in, "Content-Type": "application/x-www-form-urlencoded"}
        answer = site.client.post(f"/incidents/{id_}/acknowledge", content=content, headers=headers)
        shows(read(answer, 400), "it is no form of ours")
    huge = site.client.post(f"/incidents/{id_}/note", data={"note": "x" * (2 << 20)}, headers=signed_in)
    assert huge.status_code == 413 and "1 MB" in huge.text
    for revision in ("²", "1" * 5000, "-1", "one"):
        assert press(site, id_, "acknowledge", signed_in, revision=revision).status_code == 303


def test_what_was_said_in_the_address_is_one_of_our_own_sentences(site: Site) -> None:
    answer = site.browse(f"/incidents/{site.incident()}?said=You+owe+us+money")
    assert answer.status_code == 422 and "owe us" not in answer.text


# -- models and rules ---------------------------------------------------------------------------------------------


def test_models_are_listed_and_each_has_its_page(site: Site) -> None:
    shows(read(site.browse("/models")), "No model has sent anything yet")
    site.model()
    site.model("a/b", columns={}, versions=())
    site.ask("PUT", "/v1/gates/shop-eu", {"state": "review", "reason": "it drifts"}, "supervisor")
    site.post("/v1/references", {"model": "shop-eu", "reason": "the sale stays"}, "supervisor")
    page = read(site.browse("/models"))
    shows(page, "shop-eu 1,234 just now 3 2 9 review", "a/b 1,234 just now – still learning 9 auto")
    assert "/models/a%2Fb" in [a["href"] for a in page.all("a")]
    site.incident()
    shop = read(site.browse("/models/shop-eu"))
    shows(
        shop,
        "ScoreShift tripped.",
        "inputs.amount number",
        "output.label category",
        "3, 2",
        "by a-supervisor: it drifts",
    )
    assert "taken for history" not in shop.text
    site.model("late", late_by=7200.0)
    shows(
        read(site.browse("/models/late")), "Its events lie 2 hours back when they come, so they are taken for history"
    )
    assert "Estimated without truth" not in shop.text
    estimate = {"rate": 0.042, "interval": [0.03, 0.055], "n": 1234}
    where = {"rule": "shop/Expected", "column": "output.confidence", "segment": "", "version": ""}
    checked = {"n": 20, "wrong": 1, "expected": 0.04}
    more = {"estimate": estimate, "usual": 0.02, "assumes": "It assumes honesty.", "checked": checked}
    site.model("guessed", estimates=[where | more])
    shows(
        read(site.browse("/models/guessed")),
        "By output.confidence, 4.20% of 1,234 answers of the last week are expected to be wrong (3.00% to 5.50% at 95 %)",
        "after 2.00% in the reference. It assumes honesty.",
        "5.00% were wrong where 4.00% were expected.",
    )
    shows(shop, "shop/LowConfidence high Trips when the share of events with output.confidence < 0.6 is above 5%")
    shows(shop, "version 1 for all rules, by a-supervisor: the sale stays")
    other = read(site.browse("/models/a%2Fb"))
    shows(other, "a/b", "None so far.", "none was named", "decided once enough events have come", "Nobody told of one")
    read(site.browse("/models/unknown"), 404)


def test_many_models_come_in_pages_and_are_found_by_a_part_of_their_name(site: Site) -> None:
    for n in range(120):
        site.model(f"fleet-{n:03d}")
    first = read(site.browse("/models"))
    assert "fleet-099" in first.text and "fleet-100" not in first.text
    (more,) = [a["href"] for a in first.all("a") if "beyond=" in (a["href"] or "")]
    second = read(site.browse(more or ""))
    assert "fleet-100" in second.text and "fleet-099" not in second.text and "More models" not in second.text
    found = read(site.browse("/models?named=T-11"))
    shows(found, "fleet-110", "fleet-119", "All 120 models")
    assert "fleet-011" not in found.text
    shows(read(site.browse("/models?named=%3Cb%3E")), "No model has “<b>” in its name.")


def test_a_model_that_no_rule_watches_is_told_so(site: Site) -> None:
    site.model("unwatched")
    shows(read(site.browse("/models/unwatched")), "No rule watches it")


def test_rules_say_in_words_what_they_watch_and_where_they_stand(site: Site) -> None:
    page = read(site.browse("/rules"))
    shows(page, "shop", "For models named shop-*, a/b; owner shop-oncall; safe state: a person decides.")
    shows(
        page,
        "LowConfidence high Trips when the share of events with output.confidence < 0.6 is above 5% over 15 minutes",
    )
    shows(page, "ScoreShift", "A person closes its incidents.", "shadow: tells nobody", "sets the gate to review")
    assert re.search(r"shop/pack\.yaml, line \d+", page.text)
    assert "shop/Parity" in [attrs.get("id") for attrs in page.all("li")]
    assert "`" not in page.text
