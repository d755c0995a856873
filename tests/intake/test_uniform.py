"""Bodies that are read as a whole: they come out as line by line, whatever is in them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.formats.careful import Refused
from monitor.formats.careful import check as careful
from monitor.formats.decode import to_batches
from monitor.formats.native import Checked, Checker
from monitor.formats.secrets import Secrets
from monitor.formats.split import split
from monitor.spool import Flags, Record

KEY = b"a key for secret columns"


def one(number: int, **more: Any) -> dict[str, Any]:
    return {"id": f"e{number}", "model": "m", "inputs": {"a": number, "b": "x"}, "output": {"y": 0.5}} | more


def body_of(*events: Mapping[str, Any]) -> bytes:
    return b"\n".join(json.dumps(event).encode() for event in events)


def whole(*events: Mapping[str, Any]) -> bool:
    """Whether a checker that knows the first event's columns reads them all at once."""
    checker = Checker("events", Secrets(KEY))
    assert checker.check(body_of(events[0], events[0])).text is not None
    return checker.check(body_of(*events)).text is not None


def test_lines_of_one_model_are_read_at_once_whatever_their_values_and_however_many_columns_are_missing() -> None:
    assert whole(
        one(1, context={}), one(2, inputs={}, context={}), one(3, inputs={"b": None, "a": [1, "x"]}, context={}),
        one(4, id=17, version=3, at=1.5, context={}), one(5, at="2026-01-31T12:00:00Z", version="v", context={}),
        one(6, inputs={"a": 'a "quoted" text\n and é ü 😀'}, context={}),
    )  # fmt: skip


def test_columns_are_learned_as_they_come() -> None:
    checker = Checker("events", Secrets(KEY))
    wider = body_of(one(1), one(2, inputs={"c": 1}))
    assert checker.check(wider).text is None
    assert checker.check(wider).text is not None


@pytest.mark.parametrize(
    "other",
    [
        one(2, model="n"), one(2, context={}), one(2, inputs={"new": 1}), one(2, inputs={"a": {"b": 1}}),
        one(2, inputs={"a": [[1]]}), one(2, inputs={"password": "x"}), one(2, inputs={"a": "a { in a text"}),
        one(2, inputs={"a": "\0"}), one(2, id=""), one(2, id=" "), one(2, id="x" * 201), one(2, id="a\x1b"), one(2, id=2.5),
        one(2, version=""), one(2, version="x" * 201), one(2, at=True), one(2, at="2026-01-31T12:00:00"), one(2, at=1e12),
        one(2, x=1), one(2, inputs=None), one(2, inputs={"a": "x" * 1_050_000}),
    ],
)  # fmt: skip
def test_what_leaves_a_doubt_is_looked_at_line_by_line(other: dict[str, Any]) -> None:
    assert not whole(one(1), other)


def test_a_section_twice_in_one_line_is_not_kept_twice() -> None:
    checker = Checker("events", Secrets(KEY))
    checker.check(body_of(one(1), one(2)))
    twice = b'{"id":1,"model":"m","inputs":{"a":1},"inputs":{"b":2},"output":{"y":1}}'
    assert checker.check(body_of(one(1)) + b"\n" + twice).lines[1].count(b"inputs") == 1


def test_a_column_that_a_rule_book_calls_secret_is_never_learned() -> None:
    checker = Checker("events", Secrets(KEY, lambda model: {"inputs.b": "secret"}))
    for _ in range(3):
        checked = checker.check(body_of(one(1), one(2)))
        assert checked.text is None and all(b"h:" in line for line in checked.lines)


def test_lines_of_another_systems_ends_and_empty_ones_are_counted_as_the_sender_sees_them() -> None:
    checker = Checker("events", Secrets(KEY))
    text = body_of(one(1), one(2), one(3)).replace(b"\n", b"\r\n") + b"\r\n"
    assert checker.check(text).text == body_of(one(1), one(2), one(3))
    checked = checker.check(text.replace(b"\r\n", b"\r\n\r\n", 1) + b"broken")
    assert checked.ids == ["e1", "e2", "e3"] and [line for line, _ in checked.rejected] == [5]


def test_many_columns_and_models_are_forgotten_rather_than_kept_for_ever() -> None:
    checker = Checker("events", Secrets(KEY))
    for model in range(600):
        checker.check(body_of(one(1, model=f"m{model}"), one(2, model=f"m{model}")))
    assert len(checker._uniform._decoders) <= 500
    for start in range(0, 1_000, 100):
        wide = one(1, inputs={f"c{start + n}": 1 for n in range(100)})
        assert checker.check(body_of(wide, wide)).ids == ["e1", "e1"]
    assert max(sum(map(len, known.values())) for known in checker._uniform._columns.values()) <= 512


# -- any bytes ------------------------------------------------------------------------------------------------------

scalar = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), st.text(max_size=6),
    st.sampled_from(["{", "}", "\0", '"', "\\", "[", "\ud800", "\n", " "]),
)  # fmt: skip
rare = scalar | st.lists(scalar, max_size=3) | st.dictionaries(st.sampled_from(["a", "card"]), scalar, max_size=2)
columns = st.dictionaries(st.sampled_from(["a", "b.c", "d", "é", 'q"', "back\\"]), scalar | rare, max_size=4)
usual = st.fixed_dictionaries(
    {"id": st.sampled_from(["e1", "e2", "é"]), "model": st.just("m"), "inputs": columns},
    optional={
        "output": columns,
        "version": st.sampled_from(["1", 2, 2.5, None, ""]),
        "at": st.sampled_from(["2026-01-31T12:00:00Z", 0, 1e12, 1.5, None, "2026-01-31"]),
    },
)
odd = st.fixed_dictionaries({}, optional=dict.fromkeys(["id", "model", "inputs", "truth", "x", "at"], rare))
truths = st.fixed_dictionaries(
    {"id": st.sampled_from(["e1", 2]), "model": st.just("m"), "truth": columns},
    optional={"at": st.sampled_from([0, "2026-01-31T12:00:00Z"])},
)


@st.composite
def bodies(draw: st.DrawFn, likely: st.SearchStrategy[dict[str, Any]]) -> bytes:
    """Lines that are mostly alike, with a byte changed here and there."""
    template = draw(likely)
    lines = draw(
        st.lists(st.just(template) | likely | likely.map(lambda e: template | e) | odd, min_size=2, max_size=6)
    )
    ascii_ = draw(st.booleans())
    text = draw(st.sampled_from([b"\n", b"\r\n", b"\n\n"])).join(
        json.dumps(line, ensure_ascii=ascii_).encode("utf-8", "surrogatepass") for line in lines
    )
    for place, byte in draw(
        st.lists(st.tuples(st.integers(0, len(text)), st.sampled_from(b'{}[]",:\\\n\r 0x\xff')), max_size=2)
    ):
        cut = draw(st.integers(0, 1))
        text = text[:place] + bytes([byte]) + text[place + cut :]
    return text


def meaning(kind: str, lines: list[bytes]) -> str:
    """What the engine will see of these lines."""
    if not lines:
        return ""
    batches = to_batches([Record(0, 0, len(lines), kind, 1.0, Flags(), b"\n".join(lines))])  # type: ignore[arg-type]
    return repr([(b.model, b.ids, b.at, {k: b.columns[k] for k in sorted(b.columns)}, b.versions) for b in batches])


def by_lines(kind: str, body: bytes) -> tuple[Checked, list[bytes]]:
    """Every line the careful way."""
    expected, kept = Checked(), []
    for number, line in split(body):
        try:
            model, id_, text = careful(line, kind, Secrets(KEY))
        except Refused as refused:
            expected.rejected.append((number, str(refused)))
            continue
        expected.models.append(model)
        expected.ids.append(id_)
        kept.append(text)
    return expected, kept


@settings(deadline=None, max_examples=400)
@given(st.data(), st.sampled_from(["events", "truth"]))
def test_whatever_comes_the_answer_is_that_of_the_careful_way(data: st.DataObject, kind: Any) -> None:
    checker = Checker(kind, Secrets(KEY))
    body = data.draw(bodies(usual if kind == "events" else truths))
    if body.lstrip()[:1] == b"[":
        return
    expected, kept = by_lines(kind, body)
    for _ in range(2):  # the second time with all learned that there is to learn
        checked = checker.check(body)
        assert (checked.models, checked.ids, checked.rejected) == (expected.models, expected.ids, expected.rejected)
        assert len(checked.lines) == len(checked.ids)
        assert meaning(kind, checked.lines) == meaning(kind, kept)
