"""`halt:` and `gate:` of packs, the scopes of gates, and what holds where several packs speak."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.changes import Gate
from monitor.core.oversight.scopes import PARTS, Scope, generation, in_force, of_model, read_scope
from monitor.core.oversight.terms import GateTerms, together
from monitor.core.rules.model import PackTerms
from monitor.core.rules.parse import parse_pack
from monitor.formats.yaml_nodes import load

RULES = "rules:\n- alert: X\n  severity: low\n  absent: {for: 1m}\n"
SAFE = 'halt: {fallback: "a person decides"}\n'
GATING = "  severity: critical\n  gate: halt\n  annotations: {meaning: m, action: a}\n"


def read(text: str) -> tuple[PackTerms | None, str]:
    """The terms of a pack, and what is wrong with it."""
    document, faults = load(f"pack: p\nmodels: [m]\n{text}", "p.yaml")
    assert document is not None, faults
    pack, said = parse_pack(document)
    return None if pack is None else pack.terms, " ".join(one.message for one in said)


def test_a_pack_says_on_what_terms_its_models_are_gated() -> None:
    halt = 'halt: {fallback: "by hand", release: 2, hold: 10m}\n'
    gate = "gate: {on_stale: review, on_start: halt, review: post, deadline: 90s, sample: 5%}\n"
    assert read(halt + gate + RULES)[0] == PackTerms(2, 600.0, "review", "halt", "post", 90.0, 0.05)
    assert read(RULES)[0] == PackTerms()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('halt: {fallback: "x", release: 3}\n' + RULES, "`release` is 3, but must be"),
        ('halt: {fallback: "x", hold: 2d}\n' + RULES, "`hold` must be from 0 to 1d"),
        ("halt: {release: 2}\n" + RULES, "needs the key `fallback`"),
        ("gate: {on_stale: halt}\n" + RULES, "`halt` is no value of `on_stale`"),
        ("gate: {on_start: auto}\n" + RULES, "`auto` is no value of `on_start`"),
        ("gate: {deadline: 2h}\n" + RULES, "`deadline` must be from 1s to 1h"),
        ("gate: {sampel: 1%}\n" + RULES, "sampel"),
        (SAFE + RULES + "  gate_on: version\n", "`gate_on` is of no use without `gate`"),
        (SAFE + RULES.replace("  severity: low\n", GATING) + "  gate_on: segment\n", "incident of its own"),
        (RULES.replace("  severity: low\n", GATING), "does not say what is safe"),
    ],
)
def test_what_makes_no_sense_does_not_load(text: str, said: str) -> None:
    terms, wrong = read(text)
    assert terms is None and said in wrong


def test_of_several_packs_the_strictest_that_says_something_counts() -> None:
    packs = [PackTerms(), PackTerms(release=2, on_stale="auto", review="post"), PackTerms(hold=60.0, deadline=600.0)]
    assert together(packs) == GateTerms(2, 60.0, "auto", "last", "post", 600.0, 0.1)
    assert together([*packs, PackTerms(on_stale="keep", review="pre")]).on_stale == "keep"
    assert together([]) == GateTerms()


NAMES = st.text(st.characters(categories=("L", "N", "P", "S", "Zs")), min_size=1, max_size=20)
SCOPES = st.builds(lambda m, p, v: Scope(m, p, v if p else ""), NAMES, st.sampled_from(PARTS), NAMES)


@given(SCOPES, SCOPES)
def test_a_scope_is_read_as_it_was_written_and_no_two_share_a_text(one: Scope, other: Scope) -> None:
    assert read_scope(one.text) == one
    assert (one.text == other.text) == (one == other)


@given(st.lists(st.tuples(SCOPES, st.sampled_from(("auto", "review", "halt"))), max_size=8), NAMES)
def test_nothing_that_matches_is_stricter_than_what_is_in_force(said: list[tuple[Scope, str]], model: str) -> None:
    gates = [Gate(scope.text, state, n + 1, "x", 0.0, "kim") for n, (scope, state) in enumerate(said)]  # type: ignore[arg-type]
    named = {"version": "3"}
    found = in_force(gates, model, named)  # type: ignore[arg-type]
    matching = [g for g in of_model(gates, model) if read_scope(g.scope).qualifier in ("", "version=3")]
    order = ["auto", "review", "halt"]
    assert max((order.index(g.state) for g in matching), default=-1) == (
        -1 if found is None else order.index(found.state)
    )
    assert generation(gates, model) == max((g.generation for g in of_model(gates, model)), default=0)
