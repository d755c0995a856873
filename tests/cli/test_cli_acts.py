"""What people do from the command line, noun by noun, and what they are told when it cannot be done."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from live_daemon import LiveDaemon
from typer.testing import Result

Overloop = Callable[..., Result]


def out(done: Result) -> str:
    """What a command that went well printed, without its last end of line."""
    assert (done.exit_code, done.stderr) == (0, ""), done.output
    return done.stdout.rstrip("\n")


def told(done: Result, code: int) -> str:
    """What a command that ended with this code said on standard error: its last line."""
    assert (done.exit_code, done.stdout) == (code, ""), done.output
    return done.stderr.splitlines()[-1]


def whole(done: Result) -> Any:
    return json.loads(out(done))


# -- incidents ----------------------------------------------------------------------------------------------------


def test_an_incident_goes_through_the_hands_of_people(at: Overloop, fresh: str) -> None:
    short = fresh[:8]
    assert out(at("incident", "note", short, "a note")).startswith(f"Incident {short} is open:")
    assert whole(at("incident", "assign", short, "ada", "-o", "json"))["owner"] == "ada"
    assert "is acknowledged" in out(at("incident", "ack", short, "--take"))
    assert "is open" in out(at("incident", "release", short, "--note", "not mine"))
    assert whole(at("incident", "verdict", short, "expected", "-o", "json"))["verdict"] == "expected"
    shown = out(at("incident", "show", short))
    assert "admin: a note" in shown and "admin: not mine" in shown and "verdict          expected" in shown
    assert "is closed" in out(at("incident", "close", short))
    assert "is open" in out(at("incident", "reopen", short))
    assert told(at("incident", "reopen", short), 4).endswith("was not reopened: it is open and was never closed.")


def test_a_revision_that_is_not_the_newest_is_refused(at: Overloop, fresh: str) -> None:
    out(at("incident", "ack", fresh, "--revision", "1"))
    assert "you saw revision 1, it is at 2 now" in told(at("incident", "close", fresh, "--revision", "1"), 4)


def test_incidents_are_picked_by_state_model_and_rule(at: Overloop) -> None:
    found = whole(at("incident", "list", "--model", "shop-eu", "--rule", "shop/NegativeAmounts", "-o", "json"))
    assert {i["rule"] for i in found["incidents"]} == {"NegativeAmounts"}
    assert out(at("incident", "list", "--model", "nobody")) == "There are no incidents to show."
    assert whole(at("incident", "list", "--model", "nobody", "-o", "json")) == {"incidents": [], "next": None}


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("list --state opne", "'opne' is not one of open, acknowledged, recovered, closed."),
        ("list --limit 0", "0 is not in the range of 1 to 1000."),
        ("list --limit many", "'many' is not a whole number."),
        ("list -o yaml", "'yaml' is not one of table, json."),
        ("close x --verdict true", "'true' is not one of real, expected, false, unclear."),
        ("verdict x maybe", "'maybe' is not one of real, expected, false, unclear."),
        ("verdict x", "Missing argument 'VERDICT'. Choose from:"),
        ("ack x --for soon", "--for: `soon` is not a duration. Write a number and a unit: 30s, 15m, 1h30m, 7d, 4w."),
        ("ack x --for 0", "--for must be longer than nothing."),
        ("ack x --for 99d", "body.for_seconds: Input should be less than or equal to"),
        ("show", "Missing argument 'ID'."),
        ("shwo x", "No such command 'shwo'. Did you mean 'show'?"),
        ("list --sate open", "No such option: --sate"),
        ("list --home /x", "--home stands before the noun: overloop --home …"),
    ],
)
def test_what_is_typed_wrong_is_told_with_what_would_be_right(
    at: Overloop, incident: str, typed: str, says: str
) -> None:
    done = at("incident", *typed.replace(" x", f" {incident}", 1).split())
    assert (done.exit_code, done.stdout) == (2, "") and says in done.stderr


@pytest.mark.parametrize("beginning", ["zzz", "", "/../models"])
def test_an_id_that_nothing_begins_with_is_told_with_where_to_look(at: Overloop, beginning: str) -> None:
    line = told(at("incident", "show", beginning), 1)
    assert line == f"No incident has an id that begins with {beginning!r}; see `overloop incident list`."


def test_a_whole_id_that_is_not_there_is_not_found(at: Overloop) -> None:
    id_ = "00000000-0000-0000-0000-000000000000"
    assert told(at("incident", "ack", id_), 1) == f"There is no incident {id_!r}."


def test_an_id_with_slashes_cannot_lead_to_another_route(at: Overloop) -> None:
    assert told(at("incident", "show", "a" * 30 + "/../../v1/models"), 1).startswith("There is no")


# -- the last word ------------------------------------------------------------------------------------------------


def test_an_answer_is_set_aside_and_that_is_taken_back_by_the_beginning_of_its_id(at: Overloop) -> None:
    made = whole(
        at(
            "override",
            "add",
            "shop-eu",
            "a-1",
            "override",
            "--reason",
            "wrong",
            "--answer",
            '{"label": "ok"}',
            "-o",
            "json",
        )
    )
    assert (made["answer"], made["by"]) == ({"label": "ok"}, "admin")
    words = (
        "override",
        "add",
        "shop-eu",
        "a-1",
        "reverse",
        "--reason",
        "right after all",
        "--reverses",
        made["id"][:8],
    )
    assert out(at(*words)).startswith("Recorded reverse of a-1 on shop-eu as ")
    listed = out(at("override", "list", "--model", "shop-eu")).splitlines()
    assert listed[0].split() == ["id", "at", "by", "model", "decision", "id", "verb", "reason"] and len(listed) == 3
    assert out(at("override", "list", "--model", "nobody")) == "No answer has been set aside."
    assert whole(at("override", "list", "--limit", "1", "-o", "json"))["overrides"][0]["verb"] == "reverse"
    line = told(at("override", "add", "shop-eu", "a-1", "forget", "--reason", "x"), 2)
    assert "'forget' is not one of not_use, disregard, override, reverse." in line
    assert "Missing option '--reason'." in told(at("override", "add", "shop-eu", "a-1", "not_use"), 2)
    line = told(at("override", "add", "shop-eu", "a-1", "reverse", "--reason", "x", "--reverses", "zz"), 1)
    assert line.startswith("No override has an id that begins with 'zz'")


def test_a_gate_is_set_and_refuses_who_saw_an_older_one(at: Overloop) -> None:
    assert out(at("gate", "list")) == "No gate was ever set: every model is at auto."
    assert out(at("gate", "show", "org/shop eu?#")).splitlines()[1].split()[:4] == ["org/shop", "eu?#", "auto", "0"]
    done = out(at("gate", "set", "shop-eu", "halt", "--reason", "wrong unit", "--generation", "0"))
    assert done == "The gate of shop-eu is halt (generation 1)."
    assert told(at("gate", "set", "shop-eu", "auto", "--reason", "x", "--generation", "0"), 4)
    assert whole(at("gate", "set", "shop-eu", "auto", "--reason", "mended", "-o", "json"))["state"] == "auto"
    assert "mended" in out(at("gate", "list"))
    assert "'stop' is not one of auto, review, halt." in told(at("gate", "set", "shop-eu", "stop", "--reason", "x"), 2)


def test_a_silence_is_added_listed_and_ended(at: Overloop) -> None:
    assert out(at("silence", "list")) == "There are no silences."
    done = out(at("silence", "add", "model=shop-eu", "severity!=critical", "--for", "90m", "--reason", "deploy"))
    assert done.startswith("Silence ") and "it matches " in done
    short = done.split()[1]
    listed = out(at("silence", "list"))
    assert "model=shop-eu, severity!=critical" in listed and listed.splitlines()[1].startswith(short)
    assert out(at("silence", "expire", short)) == f"Silence {short} has ended."
    assert told(at("silence", "expire", short), 1).startswith("No silence has an id that begins with")


@pytest.mark.parametrize(
    ("matcher", "says"),
    [
        ("shop-eu", "'shop-eu' is no matcher: write model=NAME"),
        ("=x", "'=x' is no matcher: write model=NAME"),
        ("modle=x", "'modle=x' is no matcher: incidents are matched by model, rule, pack, severity."),
    ],
)
def test_what_is_no_matcher_is_told(at: Overloop, matcher: str, says: str) -> None:
    assert says in told(at("silence", "add", matcher, "--for", "1h", "--reason", "x"), 2)


def test_matchers_are_read_by_their_first_operator(at: Overloop) -> None:
    done = whole(
        at("silence", "add", "rule=~a=b", "model!~c!=d", "pack = p", "--for", "1m", "--reason", "x", "-o", "json")
    )
    assert [(m["name"], m["operator"], m["value"]) for m in done["matchers"]] == [
        ("rule", "=~", "a=b"),
        ("model", "!~", "c!=d"),
        ("pack", "=", "p"),
    ]
    assert whole(at("silence", "expire", done["id"], "-o", "json"))["state"] == "expired"


def test_a_new_normal_is_accepted_with_a_reason(at: Overloop, fresh_model: str) -> None:
    assert out(at("reference", "list", "--model", fresh_model)).startswith("Nobody has accepted a new normal")
    done = out(at("reference", "accept", fresh_model, "--rule", "shop/AmountShift", "--reason", "new prices"))
    assert done == f"Version 1 is the new normal of {fresh_model} for shop/AmountShift; the detectors learn it now."
    assert "new prices" in out(at("reference", "list", "--model", fresh_model))
    line = told(at("reference", "accept", fresh_model, "--rule", "shop/Nope", "--reason", "x"), 4)
    assert "There is no rule 'shop/Nope'" in line
    assert told(at("reference", "accept", "nobody", "--reason", "x"), 1) == "There is no model 'nobody'."


# -- models and access ----------------------------------------------------------------------------------------------


def test_models_and_the_kinds_of_their_columns(at: Overloop) -> None:
    assert "shop-eu" in out(at("model", "list"))
    assert out(at("model", "show", "shop-eu")).splitlines()[1].split() == ["inputs.amount", "number"]
    assert told(at("model", "show", "nobody"), 1) == "There is no model 'nobody'."
    done = out(at("model", "kind", "shop-eu", "inputs.amount", "number"))
    assert done == "inputs.amount of shop-eu is of kind number from now on."
    assert "'numbr' is not one of number, category" in told(at("model", "kind", "shop-eu", "inputs.amount", "numbr"), 2)


def test_a_model_is_retired_with_a_reason(at: Overloop, daemon: LiveDaemon) -> None:
    daemon.send([{"id": "1", "model": "shop-old", "inputs": {"amount": 1}}])
    daemon.settled()
    assert out(at("model", "retire", "shop-old", "--reason", "replaced")) == "shop-old is no longer watched."
    assert "shop-old" not in out(at("model", "list"))


def test_a_person_is_added_and_acts_under_their_own_name(at: Overloop, fresh: str) -> None:
    done = at("user", "add", "grace", "--role", "operator")
    assert done.exit_code == 0 and done.stderr == "grace is operator. Their token, shown only now:\n"
    token = done.stdout.strip()
    out(at("incident", "note", fresh, "from grace", OVERLOOP_TOKEN=token))
    assert "grace: from grace" in out(at("incident", "show", fresh))
    assert "grace" in out(at("user", "list"))
    assert "There is a user 'grace' already" in told(at("user", "add", "grace"), 4)
    assert "'boss' is not one of viewer, operator, supervisor, admin." in told(
        at("user", "add", "x", "--role", "boss"), 2
    )


def test_a_token_is_made_and_taken_back(at: Overloop) -> None:
    token = out(at("token", "create", "till", "--label", "the till", "--days", "2"))
    assert token.startswith("ovl_")
    row = next(line for line in out(at("token", "list")).splitlines() if line.endswith("the till"))
    assert out(at("token", "revoke", row.split()[0])) == f"Token {row.split()[0]} no longer works."
    assert "'0.0' is" not in told(at("token", "create", "till", "--days", "0"), 2)
    assert told(at("token", "revoke", "zz"), 1).startswith("No token has an id that begins with 'zz'")


def test_a_login_link_leads_to_a_page_of_the_daemon_only(at: Overloop, daemon: LiveDaemon) -> None:
    assert out(at("login", "--next", "/incidents")).startswith(f"{daemon.url}/login?t=ovl_")
    assert "next must be a path of this daemon" in told(at("login", "--next", "https://elsewhere"), 2)
