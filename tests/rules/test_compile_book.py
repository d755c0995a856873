"""Books: all packs together, params for single models, and a digest that means equal behaviour."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from monitor.core.rules.compile import Source, make_book
from monitor.core.rules.diagnose import Diagnostic
from monitor.core.rules.model import Book, ModelOptions, Windowed
from monitor.formats.yaml_nodes import load

MakeBook = Callable[..., tuple[Book | None, list[Diagnostic]]]

SLOW = """\
pack: slow
models: ["m-*"]
params: {p99_ms: 800, low: 60%}
rules:
- alert: Slow
  severity: low
  measure: {of: p99(context.latency_ms), above: $p99_ms, over: 10m, min_events: 100}
- alert: Unsure
  severity: low
  share: {of: output.confidence < $low, above: 5%, over: 10m, min_events: 100}
"""
OTHER = "pack: other\nmodels: [m-1]\nrules:\n- alert: Silent\n  severity: high\n  absent: {for: 10m, expect: [m-1]}\n"
FILES = {"slow/pack.yaml": SLOW, "other/pack.yaml": OTHER}


def limits(book: Book, model: str) -> list[float | None]:
    return [rule.form.above for _, rule in book.rules_for(model) if isinstance(rule.form, Windowed)]


def test_packs_come_in_the_order_of_their_names(book: MakeBook) -> None:
    made, found = book(FILES)
    assert not found
    assert made is not None
    assert [pack.name for pack in made.packs] == ["other", "slow"]
    assert [rule.key for _, rule in made.rules_for("m-1")] == ["other/Silent", "slow/Slow", "slow/Unsure"]
    assert [rule.key for _, rule in made.rules_for("m-2")] == ["slow/Slow", "slow/Unsure"]
    assert made.rules_for("x") == ()
    assert made.expected_models() == ("m-1",)


def test_params_hold_for_the_models_of_the_first_glob_that_matches(book: MakeBook) -> None:
    params = (("m-1", {"slow": {"p99_ms": 100}}), ("m-*", {"slow": {"p99_ms": 200.5, "low": "30%"}}))
    made, found = book(FILES, params=params)
    assert not found
    assert made is not None
    assert limits(made, "m-1") == [100.0, 0.05]
    assert limits(made, "m-2") == [200.5, 0.05]
    pack, rule = made.rules_for("m-2")[1]
    assert isinstance(rule.form, Windowed)
    assert rule.form.of == "output.confidence < 0.3"
    assert pack.params == {"p99_ms": 200.5, "low": "30%"}
    base, own = made.find("slow/Slow"), made.find("slow/Slow", "m-1")
    assert base is not None
    assert own is not None
    assert (base[1].form.above, own[1].form.above) == (800.0, 100.0)  # type: ignore[union-attr]
    assert made.find("slow/Nothing") is None


@pytest.mark.parametrize(
    ("params", "file", "message", "fix"),
    [
        ({"slwo": {"p99_ms": 1}}, "overloop.toml", "no pack `slwo`", "`slow`"),
        ({"slow": {"p9_ms": 1}}, "overloop.toml", "`p9_ms` in the params of pack slow for models m-*", "`p99_ms`"),
        ({"other": {"x": 1}}, "overloop.toml", "no param of the pack", "other/pack.yaml"),
        ({"slow": {"p99_ms": float("nan")}}, "overloop.toml", "no text, truth value or usual number", "Change"),
        ({"slow": {"p99_ms": 2**60}}, "overloop.toml", "no text, truth value or usual number", "Change"),
        (
            {"slow": {"p99_ms": "fast"}},
            "slow/pack.yaml",
            "`fast` is not a number. This is so under the params",
            "plain",
        ),
    ],
)
def test_params_that_do_not_fit_are_told_at_load(
    params: Any, file: str, message: str, fix: str, book: MakeBook
) -> None:
    made, found = book(FILES, params=(("m-*", params),))
    assert made is None
    assert found[0].file == file
    assert message in found[0].message
    assert fix in found[0].fix


def test_two_packs_of_one_name_are_refused(book: MakeBook) -> None:
    made, found = book({"a/pack.yaml": OTHER, "b/pack.yaml": OTHER})
    assert made is None
    assert "is in a/pack.yaml too" in found[0].message


def test_one_bad_file_refuses_the_whole_book(book: MakeBook) -> None:
    made, found = book({**FILES, "bad/pack.yaml": "pack: bad\nmodels: [m]\nrules: []\n"})
    assert made is None
    assert [d.file for d in found] == ["bad/pack.yaml"]


def test_a_source_survives_json_and_compiles_to_an_equal_book(book: MakeBook) -> None:
    options = (("m-*", ModelOptions(time="event", lateness=5.0)),)
    source = Source(FILES, (("m-1", {"slow": {"p99_ms": 100}}),), options)
    back = Source.from_json(json.loads(json.dumps(source.to_json())))
    assert back == source
    assert back.digest == source.digest
    documents = [load(text, file)[0] for file, text in back.files.items()]
    again, _ = make_book(back, [d for d in documents if d is not None])
    first, _ = book(FILES, params=source.params, options=options)
    assert again == first
    assert first is not None
    assert first.digest == source.digest
    assert first.options_for("m-7").time == "event"
    with pytest.raises(ValueError, match="version 7"):
        Source.from_json({"v": 7})


def test_the_digest_depends_on_all_that_changes_behaviour_and_on_nothing_else() -> None:
    base = Source(FILES)
    reordered = Source(dict(reversed(FILES.items())), settings="/etc/overloop.toml")
    assert base.digest == reordered.digest
    others = [
        Source({**FILES, "slow/pack.yaml": SLOW + "# note\n"}),
        Source({"slow/pack.yaml": SLOW}),
        Source(FILES, (("m-1", {"slow": {"p99_ms": 100}}),)),
        Source(FILES, (("m-2", {"slow": {"p99_ms": 100}}),)),
        Source(FILES, options=(("m-1", ModelOptions()),)),
        Source(FILES, options=(("m-1", ModelOptions(lateness=1.0)),)),
    ]
    assert len({base.digest, *(source.digest for source in others)}) == 1 + len(others)


def test_the_order_of_globs_counts() -> None:
    one, two = ("m-1", {"slow": {"p99_ms": 1}}), ("m-*", {"slow": {"p99_ms": 2}})
    assert Source(FILES, (one, two)).digest != Source(FILES, (two, one)).digest
