"""Gates of parts, who follows, drills and decisions from the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from live_daemon import LiveDaemon
from typer.testing import Result

Overloop = Callable[..., Result]
MODEL = "gated/one"


def said(done: Result, code: int = 0) -> str:
    assert done.exit_code == code, done.output
    return done.output.rstrip("\n")


def test_the_gate_of_a_part_is_set_and_shown(at: Overloop) -> None:
    assert said(at("gate", "set", MODEL, "halt", "--operation", "refund", "--reason", "wrong sums")).splitlines() == [
        "The gate of gated/one;operation=refund is halt (generation 1).",
        "No event of gated/one has come, and no service follows its gate: is the name right?",
    ]
    assert "operation refund: halt (wrong sums)" in said(at("gate", "show", MODEL))
    assert json.loads(said(at("gate", "show", MODEL, "--operation", "refund", "-o", "json")))["state"] == "halt"
    assert (
        "a gate is of a model"
        in said(at("gate", "set", MODEL, "auto", "--operation", "x", "--version", "3", "--reason", "y"), 2).lower()
    )


def test_who_follows_a_gate_is_listed_and_a_drill_without_anybody_fails(at: Overloop, daemon: LiveDaemon) -> None:
    assert said(at("gate", "clients", "nobody")) == "No service has said that it follows the gate of nobody."
    assert said(at("gate", "drill", "nobody"), 1).startswith("No service follows the gate of nobody now")
    said(at("gate", "set", "deaf", "review", "--reason", "it begins"))
    epoch = daemon.get("/v1/gates/deaf").json["epoch"]
    ack = {"model": "deaf", "client": "h/1/a", "epoch": epoch, "generation": 0, "state": "auto"}
    assert daemon.post("/v1/gate-acks", ack).status == 200
    assert "h/1/a" in said(at("gate", "clients", "deaf"))
    assert said(at("gate", "drill", "deaf", "--timeout", "0.2"), 1).splitlines() == [
        "0 of 1 followed a halt of deaf.",
        "It was not heard of: h/1/a",
    ]
    (kept,) = daemon.get("/v1/gate-drills?model=deaf").json["drills"]
    assert (kept["passed"], kept["silent"]) == (False, ["h/1/a"])


def test_an_answer_that_waits_is_decided(at: Overloop, daemon: LiveDaemon) -> None:
    assert said(at("decision", "list")) == "No answer waits for a person."
    asked: dict[str, Any] = {"model": "shop-eu", "decision_id": "tx-9", "proposed": {"label": "yes"}}
    id_ = daemon.post("/v1/decisions", asked).json["id"]
    assert "tx-9" in said(at("decision", "list"))
    done = at("decision", "decide", id_[:8], "change", "--answer", '{"label": "no"}', "--reason", "new device")
    assert said(done) == "The answer tx-9 of shop-eu is changed."
    assert daemon.get(f"/v1/decisions/{id_}").json["answer"] == {"label": "no"}
    assert "No decision has an id" in said(at("decision", "decide", id_[:8], "approve", "--reason", "x"), 1)
