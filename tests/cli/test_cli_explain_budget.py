"""How a rule under the page budget stands, series by series, in words."""

from __future__ import annotations

import random
import re
from typing import Any

import msgspec
import pytest

from monitor.cli.rules_explain import lines
from monitor.cli.rules_standing import sentences, series
from monitor.core.notices.model import Policy
from monitor.core.rehearse import Rehearsal
from monitor.core.rules.compile import Source
from monitor.core.watcher import Mark
from monitor.formats.decode import to_batches
from monitor.runtime.books import compile_source
from monitor.spool import Flags, Record

PACK = 'pack: p\nmodels: ["m"]\nrules:\n- {alert: Shift, severity: low, detect: {shift: "inputs.*"}}\n'
START = 1_700_000_000.0


def event(k: int, x: float) -> Record:
    inputs = {f"c{i}": x + i for i in range(14)} | {"flat": 1.0, "kind": "a"}
    body = {"id": str(k), "model": "m", "at": START + 600.0 * k, "inputs": inputs}
    return Record(0, k, 1, "events", START + 600.0 * k, Flags(), msgspec.json.encode(body))


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    """What the watcher says while it collects, once it is armed, and after a page."""
    book, _ = compile_source(Source({"p/pack.yaml": PACK}))
    assert book is not None
    rehearsal, drawn = Rehearsal(book, Policy()), random.Random(3)
    found = {}
    for name, count, level, until in (
        ("collecting", 600, 0.0, False),
        ("armed", 40, 0.0, True),
        ("paged", 60, 4.0, False),
    ):
        first = rehearsal.bank.models["m"].events if found else 0
        records = [event(first + k, drawn.gauss(level, 1)) for k in range(count)]
        at = records[-1].recorded_at
        marks = (
            [Mark("reference", at, "m", "p/Shift", body={"until": records[0].recorded_at, "version": 3})]
            if until
            else []
        )
        rehearsal.step(at, to_batches(records), more=marks)
        found[name] = rehearsal.bank.models["m"].watchers["p/Shift"].describe()
    return {"book": book, **found}


def test_a_series_that_collects_says_how_far_it_is_and_when_it_is_watched(told: dict[str, Any]) -> None:
    said = series(told["collecting"])
    assert said[0].startswith("inputs.c0 has collected 536 values, and nothing is found in them yet.")
    assert "`overloop reference fit`" in said[0]
    assert said[-1] == "4 more series, farther from tripping, are shown by `-o json`."


def test_an_armed_series_says_what_was_chosen_what_it_finds_and_how_near_it_is(told: dict[str, Any]) -> None:
    said = series(told["armed"])
    assert len(said) == 13
    watched = next(text for text in said if text.startswith("inputs.c0 is watched."))
    for words in ("Reference of 5", "A shift of 1 standard deviation", "is tolerated.", "% of what pages."):
        assert words in watched
    head = " ".join(sentences(told["armed"], "m"))
    assert "It watches by version 3 of the model's reference." in head
    assert "Its part of the page budget: 1 false page a week over all series of this rule." in head
    for version, said in (
        (0, "Nothing that it looks at has come yet."),
        (3, "It starts anew with version 3 of the"),
    ):
        assert said in " ".join(sentences({**told["armed"], "references": [], "reference_version": version}, "m"))
    flat = [row for row in told["armed"]["references"] if row["column"] == "inputs.flat"]
    refused = series({**told["armed"], "references": flat})
    assert refused[0].startswith("inputs.flat is refused. The reference holds one value only")


def test_a_series_that_paged_says_so(told: dict[str, Any]) -> None:
    assert any(
        "is quiet after a page" in text and "It has paged and says no more" in text for text in series(told["paged"])
    )


def test_each_series_is_a_paragraph_of_whole_sentences(told: dict[str, Any]) -> None:
    rule = told["book"].packs[0].rules[0]
    printed = lines(rule, "m", {"p/Shift": told["armed"]})
    assert sum(line.startswith("  series") for line in printed) == 13
    for text in (*series(told["collecting"]), *series(told["armed"]), *series(told["paged"])):
        assert text.endswith((".", "`.")), text
        assert not re.search(r"\bNone\b|\bnan\b|\.\.", text)


def test_other_rules_have_no_such_paragraphs() -> None:
    assert series({}) == []
    waiting = {"since": None, "waiting": True}
    assert sentences(waiting, "m")[-1] == "A reference was given to it: it watches from the first event on."
