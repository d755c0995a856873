"""Deciding from memory and deciding from the ledger are the same."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from deciding import DAY, HOUR, MINUTE, T0, a_finding, a_level, a_row, a_rule

from monitor.core.decide import decide, sweep
from monitor.core.findings import Observation
from monitor.core.view import View
from monitor.store.ledger import load_view

Office = Any  # of conftest
NAMES = ["", "c=web", "c=\x00nul", "c=\ud800", "c=" + "long" * 200, "c=Zoë 東京"]


@pytest.mark.parametrize("seed", range(4))
def test_the_view_kept_in_memory_equals_the_one_read_back(office: Office, seed: int) -> None:
    draw = random.Random(seed)
    each = a_rule("Each", per_segment=True, keep_firing_for=300.0, gate="halt")
    waiting = a_rule("Waiting", for_=120.0, no_data="alert")
    shift = a_rule("Shift", "shift", gate="review")
    office.book = replace(
        office.book, packs=(replace(office.book.packs[0], rules=(each, waiting, shift), models=("fraud-*",)),)
    )
    view, at = View(partition=0), T0
    for seq in range(1, 60):
        at += draw.choice([1.0, 20.0, MINUTE, HOUR, 9 * HOUR, 2 * DAY])
        holds = ["".join(draw.choice("ynn?") for _ in NAMES) for _ in range(2)]
        effect = draw.choice([1.1, 4.0, float("nan"), float("inf")])
        levels = [
            a_level(rule, codes, at, NAMES, effect=effect) for rule, codes in zip((each, waiting), holds, strict=True)
        ]
        row = a_row(segment=draw.choice(NAMES), effect=draw.choice([0.2, None, -3.0]), at=at)
        findings = [a_finding(shift, row, version="v\x00" * 90)] if draw.random() < 0.2 else []
        observation = Observation(findings=findings, levels=levels)
        changes = decide(view, office.book, office.policy, observation, 0, seq, at)
        swept = sweep(view, office.book, office.policy, at) if not changes else None
        with office.database.write(at) as tx:
            from_ledger = load_view(tx.connection, 0, at)
            again = decide(from_ledger, office.book, office.policy, observation, 0, seq, at)
            assert again == changes
            for part in filter(None, (changes, swept)):
                tx.apply(part)
                view.absorb(part)
        view.forget_closed(at - DAY)
        with office.database.read() as connection:
            read = load_view(connection, 0, at)
        assert (read.incidents, read.rule_states, read.gates) == (view.incidents, view.rule_states, view.gates)
        assert {i: keys for i, keys in view.recorded.items() if keys} == read.recorded
    assert len(view.incidents) > 1
