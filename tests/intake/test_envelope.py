"""What is taken, what is refused and how, line by line."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.formats.decode import to_batches
from monitor.formats.native import Checked, Checker
from monitor.formats.secrets import Secrets
from monitor.formats.split import Unreadable
from monitor.spool import Flags, Record

KEY = b"a key for secret columns"


def check(body: bytes, kind: Any = "events") -> Checked:
    return Checker(kind, Secrets(KEY)).check(body)


def event(**keys: Any) -> dict[str, Any]:
    return {"id": "e1", "model": "m", "output": {"x": 1}, **keys}


def reason(value: Any, kind: Any = "events") -> str:
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    checked = check(body, kind)
    assert not checked.lines and len(checked.rejected) == 1, checked
    return checked.rejected[0][1]


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (b"hello", "is not valid JSON at character 1"),
        (b'{"id":"a"', "is not valid JSON at character 10"),
        (b"12", "The line is a number, and an object with the keys id and model is needed."),
        (b"null", "The line is null, and"),
        (b'{"id":"a","model":"m","output":{"x":"\xff"}}', "is not valid UTF-8 at byte 38."),
        (b'{"id":"a","model":"m","output":{"x":1' + b"1" * 5_000 + b"}}", "more than 4,300 digits"),
        (b'{"id":"a","model":"m","output":{"x":"\\ud800"}}', "output.x holds half a surrogate pair"),
        (b'{"id":"a","model":"m","output":{"x":"\\u0000"}}', "at output.x holds a NUL character"),
        (b'{"id":"a","model":"m","output":{"x":"a\x00b"}}', "invalid control character"),
        (b'{"id":"\\u0000","model":"m","output":{}}', "key id holds '\\x00', which has characters that cannot"),
        (event(inputs={"a" * 300: 1}), "makes a path of more than 200 characters"),
        (event(inputs={"": 1}), "An object in inputs has an empty key."),
        (event(inputs={"a\nb": 1}), "The key 'a\\nb' in inputs has characters that cannot be printed."),
        (event(inputs={f"c{n}": 1 for n in range(10_000)}), "The event has more than 4,096 columns."),
        (event(inputs={"a": {f"c{n}": 1 for n in range(5_000)}}), "The event has more than 4,096 columns."),
        (event(inputs={"a.b": 1, "a": {"b": 2}}), "The column inputs.a.b has two values"),
        (event(inputs=[1]), "The key inputs holds a list, and an object is needed."),
        (event(id=None), "The key id is missing."),
        (event(id=""), "The key id holds empty text."),
        (event(id="  "), "The key id holds empty text."),
        (event(id=1.5), "The key id holds a number, and text or a whole number is needed."),
        (event(id=True), "The key id holds true, and text or a whole number is needed."),
        (event(id="x" * 201), "The key id has 201 characters, and at most 200 are taken."),
        (event(id=10**200), "The key id has 201 characters"),
        (event(model=3), "The key model holds a number, and text is needed."),
        (event(model="a\x1bb"), "The key model holds 'a\\x1bb', which has characters that cannot be printed."),
        (event(model="x" * 201), "The key model has 201 characters"),
        (event(version=[1]), "The key version holds a list"),
        (event(version=10**400), "The key version has 401 characters, and at most 200 are taken."),
        (event(version=10**400, inputs={"a": {}}), "The key version has 401 characters, and at most 200 are taken."),
        (b'{"id":1,"model":"m","version":1e400,"output":{}}', "The key version holds a number that is not finite"),
        (event(version="x" * 201), "The key version has 201 characters"),
        (event(at="2026-01-31T12:00:00"), "has no zone: add Z for UTC, or an offset such as +01:00."),
        (event(at="yesterday"), "The key at holds 'yesterday', which is no time"),
        (event(at="10000-01-01T00:00:00Z"), "which is no time"),
        (event(at=True), "The key at holds true"),
        (event(at=10**400), f"The number 1{'0' * 39}… under at is no time"),
        (event(at=-(10**4000)), f"The number -1{'0' * 38}… under at is no time"),
        (event(at="\ud800"), "The key at holds '\\ud800', which is no time"),
        (event(at="\ud800T12:00:00"), "which is no time"),
        (event(at=1_764_000_000_000), "if it counts milliseconds, divide it by 1,000."),
        (event(at=float("nan")), "The key at holds a number that is not finite"),
        (event(outputs={}), "The key 'outputs' is not known here: did you mean output?"),
        (event(zzz={}), "The key 'zzz' is not known here: the keys are id, model, version, at, inputs, output"),
        ({"id": 1, "model": "m"}, "The event has neither inputs nor output"),
    ],
)
def test_a_bad_line_is_refused_with_a_sentence(line: Any, sentence: str) -> None:
    found = reason(line)
    assert sentence in found
    assert found[0].isupper() and found.endswith((".", "?"))


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ({"id": 1, "model": "m"}, "The key truth is missing"),
        ({"id": 1, "model": "m", "truth": None}, "The key truth is missing"),
        ({"id": 1, "model": "m", "truth": 3}, "The key truth holds a number, and an object is needed."),
        ({"id": 1, "model": "m", "truth": {}, "output": {}}, "The key 'output' is not known here"),
        ({"model": "m", "truth": {"y": 1}}, "The key id is missing."),
    ],
)
def test_a_bad_truth_is_refused_with_a_sentence(line: Any, sentence: str) -> None:
    assert sentence in reason(line, "truth")


@pytest.mark.parametrize("inputs", [{"a": 1}, {"a": {"b": 1}}])
def test_a_fault_of_ours_costs_one_line_and_not_the_post(inputs: Any, caplog: pytest.LogCaptureFixture) -> None:
    def kinds(model: str) -> dict[str, str]:
        return {} if model == "m" else {}[model]  # whatever it is that breaks

    lines = [json.dumps(event(id="e1", model=model, inputs=inputs)).encode() for model in ("m", "4111-1111", "m")]
    checked = Checker("events", Secrets(KEY, kinds)).check(b"\n".join(lines))
    assert len(checked.lines) == 2
    sentence = "The line could not be checked, for a reason that is ours (KeyError): please report it."
    assert checked.rejected == [(2, sentence)]
    assert "KeyError in kinds" in caplog.text and "4111" not in caplog.text  # no word of the line itself


def test_deep_nesting_is_refused_and_what_is_just_deep_enough_is_taken() -> None:
    assert "nested more than 32 levels" in reason(b'{"id":1,"model":"m","inputs":{"a":' + b"[" * 100_000 + b"}}")
    assert "nested more than 32 levels" in reason(b'{"a":' * 100_000 + b"1" + b"}" * 100_000)
    for opening, closing, levels in ((b"[", b"]", 30), (b'{"k":', b"}", 30)):
        for depth, taken in ((levels, True), (levels + 1, False)):
            value = opening * depth + b"1" + closing * depth
            checked = check(b'{"id":1,"model":"m","inputs":{"a":' + value + b"}}")
            assert bool(checked.lines) is taken, (opening, depth)


def test_a_line_of_ten_megabytes_is_refused_and_its_neighbours_are_not() -> None:
    good = json.dumps(event()).encode()
    huge = json.dumps(event(inputs={"text": "x" * 10_000_000})).encode()
    checked = check(b"\n".join([good, huge, good]))
    assert len(checked.lines) == 2
    assert checked.rejected == [(2, f"The line has {len(huge):,} bytes, and at most 1,048,576 are taken.")]


def test_numbers_that_json_has_no_word_for_become_words() -> None:
    line = b'{"id":1,"model":"m","inputs":{"a":NaN,"b":Infinity,"c":-Infinity,"d":1e400,"e":[1.5,NaN],"f":-1e400}}'
    (kept,) = check(line).lines
    assert json.loads(kept)["inputs"] == {
        "a": "NaN",
        "b": "Infinity",
        "c": "-Infinity",
        "d": "Infinity",
        "e": [1.5, "NaN"],
        "f": "-Infinity",
    }


def test_a_whole_number_beyond_64_bits_stays_what_it_is() -> None:
    (kept,) = check(json.dumps(event(inputs={"big": 2**70, "text": "€ {"})).encode()).lines
    assert json.loads(kept)["inputs"] == {"big": 2**70, "text": "€ {"}
    (kept,) = check(json.dumps(event(inputs={"big": 2**70}), ensure_ascii=False).encode()).lines
    assert json.loads(kept)["inputs"]["big"] == 2**70


@pytest.mark.parametrize(
    "at", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59+05:00", -62_135_596_800, 0, 1.5, 253_402_300_799]
)
def test_the_years_1_to_9999_are_taken(at: Any) -> None:
    assert check(json.dumps(event(at=at)).encode()).rejected == []


def test_ids_and_versions_may_be_numbers() -> None:
    checked = check(json.dumps(event(id=17, version=2)).encode())
    assert (checked.ids, checked.models) == (["17"], ["m"])


def test_the_last_of_a_repeated_key_counts_and_the_first_is_not_kept() -> None:
    line = b'{"id":1,"model":"m","inputs":{"password":"p4ss"},"inputs":{"a":1},"output":{}}'
    (kept,) = check(line).lines
    assert json.loads(kept)["inputs"] == {"a": 1} and b"p4ss" not in kept


def test_braces_in_texts_are_no_objects() -> None:
    one = event(inputs={"prompt": 'a {template} with "braces" {', "tags": ["{", "x"]}, at="2026-01-01T00:00:00Z")
    (kept,) = check(json.dumps(one).encode()).lines
    assert json.loads(kept) == one


def test_lines_are_numbered_as_the_sender_sees_them() -> None:
    good = json.dumps(event()).encode()
    checked = check(b"\xef\xbb\xbf\n" + good + b"\r\n\n  \nbroken\n" + good)
    assert len(checked.lines) == 2 and [line for line, _ in checked.rejected] == [5]


def test_an_array_and_a_single_object_over_several_lines_are_taken() -> None:
    one, two = event(id="a"), event(id="b")
    for body in (json.dumps([one, two]), json.dumps([one, two], indent=2)):
        checked = check(body.encode())
        assert checked.ids == ["a", "b"] and not any(b"\n" in line for line in checked.lines)
    checked = check(json.dumps(one, indent=2).encode())
    assert checked.ids == ["a"] and json.loads(checked.lines[0]) == one
    assert check(b"[]").lines == [] and check(b"").lines == []


def test_a_broken_element_of_an_array_does_not_take_the_others_with_it() -> None:
    good = json.dumps(event(inputs={"text": 'quote " and ] , ['})).encode()
    body = (
        b"[" + good + b',{"id":2,"model":"m","inputs":{"a":NaN}},{"id":3,,},7,' + b"[" * 50_000 + b"]" * 50_000 + b"]"
    )
    checked = check(body)
    assert checked.ids == ["e1", "2"]
    assert [line for line, _ in checked.rejected] == [3, 4, 5]


@pytest.mark.parametrize("body", [b"[1, 2", b"[" * 100_000, b'[{"a":1}] and more'])
def test_an_array_that_has_no_end_is_refused_as_a_whole(body: bytes) -> None:
    with pytest.raises(Unreadable, match=r"array"):
        check(body)


# JSON values as producers really send them, and worse.
leaf = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
value = st.recursive(
    leaf,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)
keys = st.sampled_from(["id", "model", "version", "at", "inputs", "output", "context", "truth", "x"])
nearly = st.dictionaries(keys, value | st.dictionaries(st.text(max_size=5), leaf, max_size=4), max_size=8)
likely = st.builds(
    lambda more, inputs: {"id": "e", "model": "m", "inputs": inputs} | more,
    st.dictionaries(keys, value, max_size=1),
    st.dictionaries(st.sampled_from(["a", "b.c", "d"]), value, max_size=3),
)
line = (
    st.binary(max_size=60).filter(lambda b: b"\n" not in b)
    | st.one_of(nearly, likely, value).map(lambda v: json.dumps(v, ensure_ascii=False).encode("utf-8", "surrogatepass"))
    | st.one_of(nearly, likely).map(lambda v: json.dumps(v).encode())
)


@settings(deadline=None)
@given(st.lists(line, max_size=8), st.sampled_from(["events", "truth"]), st.booleans())
def test_any_body_is_accounted_for_and_what_is_kept_reads_back(lines: list[bytes], kind: Any, array: bool) -> None:
    body = b"[" + b",".join(lines) + b"]" if array else b"\n".join(lines)
    try:
        checked = check(body, kind)
    except Unreadable as refused:
        assert str(refused).endswith(".")
        return
    assert len(checked.lines) == len(checked.models) == len(checked.ids)
    assert all(text.endswith((".", "?")) and text[0].isupper() for _, text in checked.rejected)
    if not array and not body.lstrip(b"\xef\xbb\xbf").lstrip().startswith(b"["):
        one = len(checked.lines) + len(checked.rejected)
        assert one == sum(bool(raw.strip()) for raw in body.removeprefix(b"\xef\xbb\xbf").split(b"\n")) or one == 1
    if checked.lines:
        record = Record(0, 5, len(checked.lines), kind, 9.0, Flags(), b"\n".join(checked.lines))
        batches = to_batches([record])
        assert sorted(o for b in batches for o in b.offsets.tolist()) == list(range(5, 5 + len(checked.lines)))
        assert {(b.model, i) for b in batches for i in b.ids} == set(zip(checked.models, checked.ids, strict=True))
        assert all(len(column) == b.n for b in batches for column in b.columns.values())


@settings(deadline=None)
@given(st.one_of(nearly, likely))
def test_the_quick_way_takes_only_what_the_careful_way_takes(value: Any) -> None:
    from monitor.formats.careful import Refused
    from monitor.formats.careful import check as careful

    data = json.dumps(value).encode()
    checker = Checker("events", Secrets(KEY))
    quick = checker._quick(data)
    if quick is None:
        return
    try:
        model, id_, kept = careful(data, "events", Secrets(KEY))
    except Refused as refused:
        raise AssertionError(f"taken quickly, but {refused}") from refused
    assert quick[:2] == (model, id_)
    record = [Record(0, 0, 1, "events", 1.0, Flags(), raw) for raw in (quick[2], kept)]
    one, other = to_batches(record[:1])[0], to_batches(record[1:])[0]
    assert repr((one.ids, one.at, one.columns, one.versions)) == repr(
        (other.ids, other.at, other.columns, other.versions)
    )
