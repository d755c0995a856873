"""How rules stand, in words: made from what the watchers really say of themselves."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from monitor.cli.rules_explain import lines
from monitor.cli.rules_standing import sentences, series
from monitor.core.notices.model import Policy
from monitor.core.rehearse import Rehearsal
from monitor.core.rules.compile import Source, make_book
from monitor.core.rules.model import Book
from monitor.core.watcher import Mark
from monitor.formats.decode import to_batches
from monitor.formats.yaml_nodes import load
from monitor.spool import Flags, Record

PACK = """
pack: p
models: ["m"]
rules:
- {alert: Share, severity: low, share: {of: inputs.x > 5, above: 50%, over: 10m, min_events: 10}}
- {alert: Slow, severity: low, measure: {of: p99(inputs.x), below: 3, over: 1m, by: [inputs.kind]}}
- {alert: Silent, severity: low, absent: {for: 2m}}
- {alert: Shift, severity: low, detect: {shift: [inputs.x, inputs.kind], budget: none}}
- {alert: Harm, severity: low, detect: {harm: output.label != truth.label, budget: none}}
- {alert: Odd, severity: low, detect: {anomaly: "inputs.*", with: gaussian, budget: none}}
- {alert: Wild, severity: low, detect: {outlier: "inputs.*", with: sad, budget: none}}
- {alert: Moved, severity: low, detect: {shift: "inputs.*"}}
- {alert: Worse, severity: low, detect: {harm: output.label != truth.label}}
- {alert: Strange, severity: low, detect: {anomaly: "inputs.*"}}
- {alert: Broken, severity: low, detect: {quality: "inputs.*"}}
"""
START = 1_700_000_000.0


@pytest.fixture(scope="module")
def book() -> Book:
    document, _ = load(PACK, "p/pack.yaml")
    assert document is not None
    made, found = make_book(Source({"p/pack.yaml": PACK}), [document])
    assert made is not None, found
    return made


def watched(book: Book, count: int) -> dict[str, dict[str, Any]]:
    """What each rule says of itself after so many events, one a second."""
    drawn = random.Random(3)
    rehearsal = Rehearsal(book, Policy((), ()))
    records = []
    for k in range(count):
        body: Mapping[str, Any] = {
            "id": str(k),
            "model": "m",
            "inputs": {"x": drawn.gauss(10, 1) + (20 if k > 1500 else 0), "kind": "a"},
            "output": {"label": "yes"},
            "truth": {"label": "no" if k % 4 == 0 else "yes"},
        }
        records.append(Record(0, k, 1, "events", START + k, Flags(), msgspec.json.encode(body)))
    for first in range(0, count, 100):
        rehearsal.step(START + first + 100, to_batches(records[first : first + 100]), tick=True)
    model = rehearsal.bank.models["m"]
    return {key.partition("/")[2]: watcher.describe() for key, watcher in model.watchers.items()}


def told(about: dict[str, dict[str, Any]]) -> dict[str, list[str]]:
    return {name: sentences(said, "m") for name, said in about.items()}


@pytest.fixture(scope="module")
def early(book: Book) -> dict[str, list[str]]:
    return told(watched(book, 30))


@pytest.fixture(scope="module")
def in_the_end(book: Book) -> dict[str, dict[str, Any]]:
    return watched(book, 2000)


@pytest.fixture(scope="module")
def late(in_the_end: dict[str, dict[str, Any]]) -> dict[str, list[str]]:
    return told(in_the_end)


def test_every_form_says_whole_sentences(early: dict[str, list[str]], late: dict[str, list[str]]) -> None:
    assert {"Share", "Slow", "Silent", "Shift", "Harm", "Odd", "Wild", "Moved", "Worse", "Strange"} < set(early)
    for said in [*early.values(), *late.values()]:
        assert said[0] == "It has watched m since 2023-11-14 22:13:20 UTC."
        for sentence in said:
            assert re.match(r"[A-Z`].*[.]$", sentence), sentence
            assert not re.search(r"[{}]|None|nan|_", sentence.replace("new_category", "")), sentence


def test_a_level_says_how_near_to_its_limit_it_is(early: dict[str, list[str]], late: dict[str, list[str]]) -> None:
    assert "Its window of 10 minutes is not full yet: it counts what has come so far." in early["Share"]
    assert any("the value was 100% over 600 events, above the limit of 50%: it trips." in s for s in late["Share"])
    assert any("where inputs.kind=a the value was" in s and "not below the limit of 3." in s for s in late["Slow"])


def test_silence_says_how_old_the_last_event_is(late: dict[str, list[str]]) -> None:
    assert any("the last of 2,000 events was 1 second old; it trips after 2 minutes." in s for s in late["Silent"])


def test_a_learned_normal_says_whether_it_is_still_learning(
    early: dict[str, list[str]], late: dict[str, list[str]]
) -> None:
    assert any("(1 still learning what is normal); each learns from its first 200 values." in s for s in early["Shift"])
    assert any("(1 waiting for a person to close the incident)" in s for s in late["Shift"])
    assert any("standard deviations above what it learned." in s for s in late["Shift"])
    assert "It sees nothing of inputs.kind: it does not watch values of that kind." in late["Shift"]
    assert any("`output.label != truth.label` holds for 25.0% of the last answers." in s for s in late["Harm"])
    assert "It reports every alarm of its detector: no page budget holds it back." in late["Odd"]
    assert any(s.startswith("It compares each event with ") for s in late["Wild"])


def test_a_rule_on_the_budget_says_what_it_has_and_what_it_may_cost(in_the_end: dict[str, dict[str, Any]]) -> None:
    for name in ("Moved", "Worse", "Strange"):
        assert any(s.startswith("Its part of the page budget: 0.3") for s in sentences(in_the_end[name], "m"))
        for paragraph in series(in_the_end[name]):
            assert re.search(r" has collected [\d,]+ values, and nothing is found in them yet\. ", paragraph)
            assert "after 7 days with half of its part of the budget" in paragraph
            assert ("reference fit" in paragraph) == ("inputs.x" in paragraph and name == "Moved"), (
                "only what can be given"
            )


def test_an_armed_rule_on_the_budget_says_what_was_chosen_and_what_it_finds(book: Book) -> None:
    drawn = random.Random(4)
    rehearsal = Rehearsal(book, Policy((), ()))
    for k in range(0, 3000, 500):
        records = []
        for i in range(k, k + 500):
            kind, truth = drawn.choice("abc"), "no" if drawn.random() < 0.1 else "yes"
            inputs = {"x": drawn.gauss(10, 1), "y": 5, "kind": kind}
            body: Any = {"id": str(i), "model": "m", "inputs": inputs, "output": {"label": "yes"}}
            body["truth"] = {"label": truth}
            records.append(Record(0, i, 1, "events", START + 300.0 * i, Flags(), msgspec.json.encode(body)))
        rehearsal.step(START + 300.0 * (k + 500), to_batches(records))
    watchers = rehearsal.bank.models["m"].watchers.items()
    said = {key.partition("/")[2]: " ".join(series(watcher.describe())) for key, watcher in watchers}
    assert "values are ranked as they are" in said["Moved"]
    assert "3 categories have a bet of their own; a new value is reported." in said["Moved"]
    assert "A shift of 1 standard deviation takes about " in said["Moved"]
    assert "inputs.y is refused. The reference holds one value only" in said["Moved"]
    assert re.search(r"1?\d\.\d+% of the answers are bad, and a rate up to 1?\d\.\d+% is never reported", said["Worse"])
    assert "A rise to 4 times the rate takes about " in said["Worse"]
    assert "A shift of 1 standard deviation takes about " in said["Strange"]


def test_the_checks_of_the_data_say_which_are_ready(early: dict[str, list[str]], late: dict[str, list[str]]) -> None:
    assert "It has looked at 2,000 events." in late["Broken"]
    assert any("is still learning on 1 column." in s for s in early["Broken"])


def test_a_rule_that_has_seen_nothing_says_so(book: Book) -> None:
    rehearsal = Rehearsal(book, Policy((), ()))
    rehearsal.step(
        START, to_batches([Record(0, 0, 1, "events", START, Flags(), b'{"id":"1","model":"m","inputs":{}}')])
    )
    about = rehearsal.bank.models["m"].watchers["p/Shift"].describe() | {"since": None}
    assert sentences(about, "m") == ["No event of m has concerned it yet."]


def test_a_frozen_rule_says_so(book: Book) -> None:
    rehearsal = Rehearsal(book, Policy((), ()))
    rehearsal.step(
        START, to_batches([Record(0, 0, 1, "events", START, Flags(), b'{"id":"1","model":"m","inputs":{"x":1}}')])
    )
    for name in ("Shift", "Broken"):
        watcher = rehearsal.bank.models["m"].watchers[f"p/{name}"]
        watcher.apply(Mark("freeze", START))
        assert any(s.startswith("It is frozen") for s in sentences(watcher.describe(), "m")), name


def test_what_a_rule_is_does_not_repeat_itself(book: Book) -> None:
    rule = book.packs[0].rules[0]
    told = lines(rule, None, None)
    assert told[0] == "p/Share (low, p/pack.yaml line 5)"
    assert " ".join(told).count("above 50% over 10 minutes") == 1
