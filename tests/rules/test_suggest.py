"""What verdicts ask for: a larger tolerance, a smaller budget, a keener rule, or nothing; and the lines to change."""

from __future__ import annotations

from typing import Any

import pytest

from monitor.core.detectors.budget.bets import drift
from monitor.core.rules.compile import Source
from monitor.core.rules.model import Detect
from monitor.core.rules.retune import retuned
from monitor.core.suggest import Record, limits, propose
from monitor.core.verdicts import Judged
from monitor.runtime.books import compile_source

SLOW, SUDDEN = "shift: e-detector", "shift: outlier"


def incident(verdict: str, effect: float, statistic: str = SLOW) -> Judged:
    return Judged(f"{verdict}{effect}", "p/R", "m", verdict, 0.0, 1.0, ("inputs.x",), (statistic,), effect)


def record(*judged: Judged, **more: Any) -> Record:
    base: dict[str, Any] = {"tolerance": 0.05, "budget": 0.5, "weeks": 6.0}
    return Record("p/R", "m", judged=judged, **{**base, **more})


def test_false_pages_smaller_than_every_real_change_call_for_a_larger_tolerance() -> None:
    found = propose(record(*[incident("false", e) for e in (0.3, -0.4, 0.25, 0.41)], incident("real", 1.5), unjudged=2))
    assert found.tolerance == 0.125
    assert drift(0.1) < 0.41 <= drift(0.125)
    assert found.budget is None
    assert "4 of its incidents on m were judged false and 1 real, and 2 have no verdict yet" in found.why
    assert "0.6667 false pages a week (0.18" in found.why and "its budget is 0.5" in found.why
    assert found.why.endswith("leaves out all of them.")


def test_a_tolerance_never_comes_near_the_smallest_real_change() -> None:
    found = propose(record(*[incident("false", e) for e in (0.3, 0.6, 0.7, 0.9)], incident("real", -0.8)))
    assert found.tolerance is not None and drift(found.tolerance) < 0.7 * 0.8
    assert found.why.endswith("leaves out the smaller ones.")
    found = propose(record(*[incident("false", e) for e in (0.5, 0.6, 0.7, 0.9)], incident("real", 0.3)))
    assert (found.tolerance, found.budget) == (None, 0.35)
    assert "would leave out real ones too" in found.why


def test_sudden_false_pages_call_for_a_smaller_budget() -> None:
    found = propose(record(*[incident("false", 9.0, SUDDEN) for _ in range(8)], budget=1.0))
    assert (found.tolerance, found.budget) == (None, 0.75)
    assert "Most of them were sudden" in found.why
    least = propose(record(*[incident("false", 9.0, SUDDEN) for _ in range(8)], budget=0.3))
    assert not least.changes and "as small as one can be held" in least.why


def test_a_rule_that_keeps_its_word_is_left_alone() -> None:
    assert not propose(record(incident("false", 0.3), incident("real", 1.0))).changes
    assert not propose(record()).changes
    early = propose(record(*[incident("false", 0.3)] * 9, weeks=1.0)).why
    assert early.startswith("It has been armed on m for 7 days, and 9 of its incidents were judged false")
    assert early.endswith("It takes two armed weeks to judge it.")
    assert "has not been armed" in propose(record(weeks=0.0)).why


def test_a_rule_without_false_pages_may_be_made_keener() -> None:
    found = propose(record(incident("real", 1.0)))
    assert (found.tolerance, found.budget) == (0.02, None)
    assert "It has room" in found.why and "needs a new reference" in found.why
    assert not propose(record(incident("real", 1.0), tolerance=0.01)).changes


HARM = "harm: e-detector"


def test_false_pages_of_harm_call_for_a_larger_tolerated_rise() -> None:
    rises = [incident("false", e, HARM) for e in (0.012, 0.018, 0.009, 0.02)]
    found = propose(record(*rises, incident("real", 0.15, HARM), kind="harm", tolerance=0.005))
    assert (found.tolerance, found.budget) == (0.02, None)
    assert "moved by at most 2.00% of all answers, the smallest real change by 15.00% of all answers" in found.why
    assert "which lets a rise by 2.00% pass, leaves out all of them." in found.why
    assert found.why.endswith("It learns anew for a week then.")
    near = propose(record(*rises, incident("real", 0.02, HARM), kind="harm", tolerance=0.005))
    assert near.tolerance == 0.01 and "leaves out the smaller ones." in near.why
    keener = propose(record(incident("real", 0.15, HARM), kind="harm", tolerance=0.005))
    assert keener.tolerance == 0.0025 and "rises by 0.25% and more" in keener.why


def test_false_pages_of_categories_count_in_the_share_that_they_gained() -> None:
    gains = [incident("false", e, "categories: e-detector") for e in (0.06, 0.09, 0.08, 0.07)]
    found = propose(record(*gains, incident("real", 0.3, "categories: e-detector")))
    assert found.tolerance == 0.1 and "a rise by 10.00%" in found.why


@pytest.mark.parametrize("kind", ["anomaly", "outlier"])
def test_scores_have_no_tolerance_so_only_a_smaller_budget_is_proposed(kind: str) -> None:
    false = [incident("false", 3.0, "score of half_space_trees") for _ in range(8)]
    found = propose(record(*false, kind=kind, tolerance=0.0, budget=1.0))
    assert (found.tolerance, found.budget) == (None, 0.75)
    assert "Nothing is tolerated in scores" in found.why
    assert not propose(record(incident("real", 3.0, "score of half_space_trees"), kind=kind, tolerance=0.0)).changes


def test_limits_are_those_of_a_poisson_count() -> None:
    assert limits(0, 2.0) == (0.0, pytest.approx(3.6889 / 2, rel=1e-3))
    assert limits(10, 1.0) == (pytest.approx(4.7954, rel=1e-3), pytest.approx(18.3904, rel=1e-3))


PACK = """# rules of a shop
pack: shop
models: ["m"]
rules:
- alert: First
  detect: {shift: "inputs.*"}  # all of them
  severity: high
- alert: Second
  severity: high
  detect: {shift: output.score, tolerance: 0.05, by: [context.channel]}
- alert: Third
  detect:
    shift: inputs.x
    by: [context.channel]
  severity: low
- alert: Fourth
  detect:
    shift: inputs.y
    tolerance: 5%
  severity: low
- alert: Fifth
  severity: low
  detect: {shift: inputs.z,
    by: [context.channel]}
"""


@pytest.mark.parametrize("name", ["First", "Second", "Third", "Fourth"])
def test_the_edited_pack_has_the_tolerance_and_is_otherwise_as_it_was(name: str) -> None:
    def rules(text: str) -> dict[str, Any]:
        book, found = compile_source(Source({"shop/pack.yaml": text}))
        assert book is not None, found
        return {rule.name: rule.form for rule in book.packs[0].rules}

    line = next(n for n, text in enumerate(PACK.split("\n"), 1) if f"alert: {name}" in text)
    edit = retuned(PACK, line, 0.125)
    assert edit is not None
    before, after = rules(PACK), rules(edit.text)
    form = after.pop(name)
    assert isinstance(form, Detect) and form.tolerance == 0.125
    was = before.pop(name)
    assert (form.columns, form.by) == (was.columns, was.by)
    assert before == after
    assert PACK.split("\n")[edit.line - 1] == edit.before
    assert edit.text.count("\n") - PACK.count("\n") == edit.after.count("\n") <= 1
    assert "# rules of a shop" in edit.text and ("# all of them" in edit.text)


def test_a_rule_written_otherwise_is_left_to_a_person() -> None:
    line = next(n for n, text in enumerate(PACK.split("\n"), 1) if "alert: Fifth" in text)
    assert retuned(PACK, line, 0.125) is None
    assert retuned("- alert: X\n- alert: Y\n  detect: {shift: a}\n", 1, 0.1) is None


@pytest.mark.parametrize(
    ("statistic", "kinds"),
    [
        ("shift: e-detector", ("shift",)),
        ("shift: outlier", ("shift", "outlier")),
        ("categories: e-detector", ("shift",)),
        ("new value", ("shift",)),
        ("adwin on ranks", ("shift",)),
        ("harm: e-detector", ("harm", "estimated_errors")),
        ("estimated errors: e-detector", ("estimated_errors", "harm")),
        ("ddm on answers", ("harm",)),
        ("ddm on the share", ("harm",)),
        ("score of half_space_trees", ("anomaly", "outlier")),
    ],
)
def test_what_found_an_incident_says_which_rules_are_akin_to_it(statistic: str, kinds: tuple[str, ...]) -> None:
    judged = Judged("i", "p/R", "m", "real", 0.0, None, (), (statistic,), None)
    assert judged.kinds == kinds
