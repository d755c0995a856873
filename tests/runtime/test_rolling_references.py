"""References that roll, through the pump: versions in the ledger, the same again from a snapshot and from the steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pumping import World

from monitor.core.references import Fitted, Learned
from monitor.store import queries
from monitor.store.references import ROLLED_KEPT, keep_learned

PACK = """
pack: tests
models: ["m*"]
rules:
- alert: Load
  detect: {shift: "inputs.*"}
  severity: high
  reference: rolling 7d
"""
RULE = "tests/Load"
SUE = ("sue", "supervisor")
STEP = 1800.0


@pytest.fixture
def home(make_world: Callable[..., World]) -> World:
    return make_world(pack=PACK)


def send(home: World, days: int, seed: int = 2) -> None:
    """Events half an hour apart; those of a day come together."""
    values = np.random.default_rng(seed).normal(0, 1, 48 * days).reshape(days, 48).tolist()
    for part in values:
        home.clock.advance(86_400.0)
        at = home.clock.now() - STEP * np.arange(len(part))[::-1]
        home.post(*({"model": "m", "at": t, "inputs": {"x": v}} for t, v in zip(at.tolist(), part, strict=True)))
        home.drain()


def listed(home: World) -> list[dict[str, Any]]:
    with home.database.read() as connection:
        return queries.references(connection, "m")


def test_each_refit_is_a_version_by_the_machine_that_a_restart_comes_to_again(home: World) -> None:
    send(home, 20)
    digest = home.pump().bank.digest()
    rolled = [row for row in listed(home) if "rolled" in row["source"]]
    assert len(rolled) >= 3
    assert [row["source"]["rolled"] for row in rolled] == list(range(len(rolled), 0, -1))
    assert {row["author"] for row in rolled} == {"machine"} and rolled[0]["source"]["days"] == 7.0
    assert len(home.entries("reference_rolled")) == len(rolled)
    assert home.restart().bank.digest() == digest, "run again from the first step"
    home.save()
    send(home, 2, seed=5)
    digest = home.pump().bank.digest()
    assert home.restart().bank.digest() == digest, "from snapshots"


def test_an_earlier_refit_can_be_put_back_and_stands(home: World) -> None:
    send(home, 18)
    rolled = [row for row in listed(home) if "rolled" in row["source"]]
    made = home.desk.rollback_reference(rolled[-1]["id"], "the last ones were of a holiday", *SUE)
    assert made["source"]["rolled_back_to"] == rolled[-1]["version"]
    send(home, 3, seed=4)
    assert listed(home)[0]["version"] == made["version"], "nothing refits for two weeks"


def test_of_many_refits_the_last_ones_are_kept_with_their_bodies(home: World) -> None:
    for number in range(1, ROLLED_KEPT + 4):
        with home.database.write(float(number)) as tx:
            keep_learned(tx, [Learned("m", 0, Fitted(RULE, "form", 0.1, ()), number, 7 * 86_400.0)])
    kept = [bool(row["rules"]) for row in listed(home)]
    assert kept == [True] * ROLLED_KEPT + [False] * 3
