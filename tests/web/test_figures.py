"""Charts of an incident: what is read back from the spool, within bounds, and what is drawn of it."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ElementTree
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from monitor.spool import Post, id_hash
from monitor.web import charts
from monitor.web.signal import DECODED, LINES, Side, Signal, Subject, read_around, signal_of

Site = Any  # of conftest


def story(site: Site, before: list[dict[str, Any]], after: list[dict[str, Any]], model: str = "shop-eu") -> float:
    """Events before a moment and since; answers the moment, and leaves the clock there."""
    site.events(before, model)
    site.clock.at = site.process.clock.now()
    if after:
        site.events(after, model)
    return float(site.clock.at)


def output(**given: Any) -> dict[str, Any]:
    return {"output": {"score": 0.5, "label": "yes", "confidence": 0.9, **given}}


def inputs(**given: Any) -> dict[str, Any]:
    return {"inputs": {"amount": 20.0, "group": "a", **given}}


def titles(page: str) -> list[str]:
    return re.findall(r"<figcaption>(.*?)</figcaption>", page)


def signal(site: Site, moment: float, model: str = "shop-eu", **subject: Any) -> Signal | None:
    return signal_of(read_around(site.front.spool, 0, model, moment), Subject(**subject))


# -- what is read -------------------------------------------------------------------------------------------------


def test_values_are_parted_at_the_moment_and_keep_their_order(site: Site) -> None:
    moment = story(site, [output(score=k / 100) for k in range(40)], [output(score=2.0)] * 10)
    found = signal(site, moment, column="output.score")
    assert found is not None and not found.groups
    assert found.before.values.tolist() == [k / 100 for k in range(40)] and found.after.values.tolist() == [2.0] * 10
    assert np.all(np.diff(np.concatenate([found.before.at, found.after.at])) >= 0)


def test_what_was_recorded_at_once_is_parted_by_the_events_own_times(site: Site) -> None:
    moment = story(site, [output(score=k / 100) for k in range(40)], [])
    batches = read_around(site.front.spool, 0, "shop-eu", moment)
    subject = Subject("output.score")
    whole = signal_of(batches, subject)
    assert whole is not None and not whole.after.at.size
    parted = signal_of(batches, subject, float(whole.before.at[30]))
    assert parted is not None
    seen = whole.before.at[30]
    assert (parted.before.at < seen).all() and (parted.after.at >= seen).all() and parted.after.at.size
    assert [*parted.before.values, *parted.after.values] == whole.before.values.tolist()


def test_of_a_category_the_shares_of_its_values_are_told(site: Site) -> None:
    moment = story(site, [output()] * 3 + [output(label="no")], [output(label="no")] * 9 + [output(label=None)])
    found = signal(site, moment, column="output.label")
    assert found is not None and {name: (b, a) for name, b, a in found.groups} == {
        "no": (0.25, 1.0),
        "yes": (0.75, 0.0),
    }


def test_a_condition_is_1_or_0_and_what_is_unknown_is_left_out(site: Site) -> None:
    rows = [output(confidence=c) for c in (0.1, 0.9, "text", None, 0.2)]
    found = signal(site, story(site, rows, rows), condition="output.confidence < 0.6")
    assert found is not None and found.before.values.tolist() == found.after.values.tolist() == [1.0, 0.0, 1.0]


def test_a_condition_of_what_is_not_there_yet_gives_nothing(site: Site) -> None:
    moment = story(site, [output()], [output()])
    assert signal(site, moment, condition="output.label != truth.label") is None
    assert signal(site, moment, column="output.nothing") is None
    assert signal(site, moment, column="output.score", model="shop-other") is None


def test_a_segment_is_looked_at_alone_or_beside_the_others(site: Site) -> None:
    rows = [
        {**inputs(group=g), **output(label=label)} for g, label in (("a", "yes"), ("b", "no"), ("a", "no"), ("b", "no"))
    ]
    moment = story(site, rows, rows[:2])
    one = signal(site, moment, column="inputs.amount", by=("inputs.group",), segment="inputs.group=b")
    assert one is not None and (one.before.values.size, one.after.values.size) == (2, 1)
    every = signal(site, moment, condition="output.label == 'yes'", by=("inputs.group",))
    assert every is not None and {name: (b, a) for name, b, a in every.groups} == {
        "inputs.group=a": (0.5, 1.0),
        "inputs.group=b": (0.0, 0.0),
    }


def test_an_empty_spool_and_a_moment_before_or_after_everything_are_no_trouble(site: Site) -> None:
    assert signal(site, site.clock.at, column="output.score") is None
    story(site, [output()] * 3, [])
    for moment, sizes in ((0.0, (0, 3)), (4e9, (3, 0))):
        found = signal(site, moment, column="output.score")
        assert found is not None and (found.before.values.size, found.after.values.size) == sizes


@pytest.mark.parametrize("model", ["shop-é", 'shop-"quoted"', "shop-a\\b", "a/b"])
def test_a_model_with_an_odd_name_is_found_among_others_and_among_labels(site: Site, model: str) -> None:
    site.events([output(score=9.0)] * 5, "shop-other")
    site.post("/v1/truth", json.dumps({"id": "1", "model": model, "truth": {"label": "no"}}).encode())
    moment = story(site, [output(score=1.0)] * 4, [output(score=2.0)] * 4, model)
    site.events([output(score=9.0)] * 5, "shop-other")
    found = signal(site, moment, model, column="output.score")
    assert found is not None and set(found.before.values) == {1.0} and set(found.after.values) == {2.0}


def test_however_much_there_is_only_so_much_is_decoded_and_it_covers_both_sides(site: Site) -> None:
    site.front.intake.stop()
    line = b'{"id":"%d","model":"shop-eu","output":{"score":%d},"context":{"pad":"' + b"x" * 400 + b'"}}'
    for record in range(40):
        lines = [line % (record * 1000 + n, record) for n in range(1000)]
        hashes = [id_hash("shop-eu", str(record * 1000 + n)) for n in range(1000)]
        site.front.spool.append(0, [Post("events", lines, hashes)], 1_000.0 + record)
    found = signal(site, 1_020.0, column="output.score")
    assert found is not None
    for side in (found.before, found.after):
        assert 1000 < side.values.size <= min(LINES, DECODED // len(line)) + 50
    assert (
        set(found.before.values) <= set(range(20)) and found.before.values.min() < 5 and found.before.values.max() == 19
    )
    assert (
        set(found.after.values) <= set(range(20, 40))
        and found.after.values.min() == 20
        and found.after.values.max() > 35
    )


# -- what is drawn ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "evidence", "expected"),
    [
        ("ScoreShift", {"column": "output.score"}, ["output.score, event by event: mean (line) and middle 80% (band)", "output.score: spread"]),
        ("LabelShift", {"column": "output.label"}, ["output.label: its values before"]),
        ("LowConfidence", {"column": "output.confidence"}, ["Share of events with output.confidence &lt; 0.6"]),
        ("NegativeAmounts", {"column": "inputs.amount"}, ["Share of events with inputs.amount &lt; 0"]),
        ("SlowAnswers", {"column": "context.latency_ms"}, ["context.latency_ms, event by event: mean", "context.latency_ms: spread"]),
        ("Parity", {"column": "output.label", "segment": "inputs.group=b"}, ["Share of events with output.label == &#x27;yes&#x27;"]),
        ("AmountMissing", {"column": "", "segment": "inputs.amount: missing"}, ["Share of events without inputs.amount"]),
        ("Silent", {"column": ""}, []),
        ("ScoreShift", {"column": "output.nothing"}, []),
    ],
)  # fmt: skip
def test_each_form_of_rule_shows_what_it_watches(site: Site, rule: str, evidence: Any, expected: list[str]) -> None:
    rows = [{**inputs(group="ab"[n % 2]), **output(label="yes" if n % 3 else "no")} for n in range(30)]
    gone = [
        {**inputs(amount=None, group="ab"[n % 2]), **output(score=0.9, confidence=0.3, label="no")} for n in range(30)
    ]
    story(site, rows, gone)
    page = site.browse(f"/incidents/{site.incident(rule, [site.evidence(**evidence)])}").text
    assert len(titles(page)) == len(expected)
    for title, beginning in zip(titles(page), expected, strict=True):
        assert title.startswith(beginning), title
    assert page.count('class="trip"') == sum("Share" in t or "mean" in t for t in titles(page)) - (rule == "Parity")
    assert ("limit 5%" in page) == (rule == "LowConfidence") and ("limit 800" in page) == (rule == "SlowAnswers")


def test_of_many_columns_three_are_drawn(site: Site) -> None:
    rows = [{"inputs": {f"f{n}": float(n) for n in range(9)}}] * 10
    story(site, rows, rows)
    evidence = [site.evidence(f"inputs.f{n}") for n in range(9)]
    assert len(titles(site.browse(f"/incidents/{site.incident('ScoreShift', evidence)}").text)) == 6


def test_an_incident_whose_rule_is_gone_still_shows_its_columns(site: Site) -> None:
    story(site, [output()] * 5, [output(score=1.0)] * 5)
    from monitor.core.changes import Changes
    from monitor.store.queries import load_incident

    id_ = site.incident("ScoreShift")
    with site.database.write(site.clock.at) as tx:
        from dataclasses import replace

        known = load_incident(tx.connection, id_)
        tx.apply(Changes(incidents={id_: replace(known, rule="Withdrawn")}))
    page = site.browse(f"/incidents/{id_}").text
    assert len(titles(page)) == 2 and "no longer in the rule book" in page


def test_columns_full_of_nonsense_do_not_break_a_page(site: Site) -> None:
    odd = [1e308, -1e308, 1e-320, 0, -0.0, True, "nan", "Infinity", "x", None, [1], {"a": 1}, 2**70, "\u202e", "<b>"]
    rows = [output(score=value, label=value) for value in odd] * 3
    story(site, rows, rows[::-1])
    for column in ("output.score", "output.label", "output.score.a", "at", "", "<script>", "a b", "*"):
        answer = site.browse(f"/incidents/{site.incident('ScoreShift', [site.evidence(column)])}")
        assert answer.status_code == 200, column
        for drawn in re.findall(r"<svg.*?</svg>", answer.text, re.DOTALL):
            well_drawn(drawn)


def well_drawn(svg: str) -> ElementTree.Element:
    """The picture, which is well-formed and has numbers only where numbers are due."""
    picture = ElementTree.fromstring(svg)
    assert not re.search(r"(?<![a-z])(nan|inf)(?![a-z])", " ".join(p.get("d", "") for p in picture.iter("path")))
    for text in picture.iter("text"):
        assert float(text.get("x", "")) > -100 and text.text
    return picture


numbers = st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=300)


def of(before: list[float], after: list[float]) -> Signal:
    sides = [Side(np.arange(len(v), dtype=float), np.array(v, dtype=float), ()) for v in (before, after)]
    return Signal(sides[0], sides[1])


@given(numbers, numbers, st.none() | st.floats(-1e6, 1e6))
@example([1.0] * 300, [1.0] * 300, None)
@example([0.0], [0.0], 0.0)
@example([1.7e308, -1.7e308], [5e-324], None)
@example([], [3.0, 3.0], 4.0)
def test_any_numbers_are_drawn(before: list[float], after: list[float], limit: float | None) -> None:
    found = of(before, after)
    for chart in (
        charts.line_chart(found, "a < b", None if limit is None else ("limit", limit)),
        charts.spread_chart(found, "s"),
    ):
        if chart:
            assert len(chart) < 8_000
            well_drawn(re.search(r"<svg.*</svg>", chart)[0])  # type: ignore[index]
    assert (charts.line_chart(found, "t") == "") == (len(before) + len(after) < 2)


def test_a_line_jumps_where_it_tripped_and_the_limit_lies_where_it_should() -> None:
    chart = charts.line_chart(of([0.0] * 500, [1.0] * 500), "t", ("limit", 0.5), share=True)
    picture = well_drawn(re.search(r"<svg.*</svg>", chart)[0])  # type: ignore[index]
    paths = {p.get("class"): p.get("d", "") for p in picture.iter("path")}
    points = [tuple(map(float, pair.split())) for pair in paths["line"].removeprefix("M").split("L")]
    tripped = float(re.match(r"M(\d+)", paths["trip"])[1])  # type: ignore[index]
    limit = float(re.match(r"M0 (\d+)", paths["limit"])[1])  # type: ignore[index]
    low, high = {y for x, y in points if x < tripped}, {y for x, y in points if x > tripped}
    assert tripped == charts.WIDTH / 2 and len(low) == len(high) == 1
    assert high.pop() < limit < low.pop(), "on a screen up is less"
