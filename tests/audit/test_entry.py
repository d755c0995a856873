from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.core.audit.entry import decode, encode, timestamp
from monitor.core.audit.kinds import KINDS

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=True, allow_infinity=True)
    | st.text(st.characters())
    | st.text(st.characters(categories=["Cs", "Lu"]))  # surrogates, which no Unicode text has
    | st.binary()
)
anything = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text(st.characters(categories=["Cs", "L"])) | st.integers(), inner)
    ),
    max_leaves=10,
)

relaxed = settings(deadline=None, max_examples=60)


@relaxed
@given(st.dictionaries(st.text(), anything), st.floats(), st.text(st.characters(categories=["Cs", "L"])))
def test_whatever_a_producer_sends_becomes_canonical_json(body: dict[str, Any], at: float, actor: str) -> None:
    data = encode(7, at, "note", actor, body)
    entry = decode(data)
    assert entry["seq"] == 7
    assert entry["kind"] == "note"
    assert entry["at"] == timestamp(at)
    data.decode("utf-8", "strict")
    assert encode(7, at, "note", actor, body) == data


@relaxed
@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), st.integers(-(2**53) + 1, 2**53 - 1)))
def test_what_json_can_say_is_kept_as_it_is(body: dict[str, Any]) -> None:
    assert decode(encode(0, 0.0, "note", "machine", body))["body"] == body


def test_values_without_a_word_in_json_travel_as_text() -> None:
    body = {
        "nan": math.nan,
        "up": math.inf,
        "down": -math.inf,
        "wide": 2**70,
        "negative": -(2**70),
        "big": 1e300,
        "raw": b"\x00\xff",
        "half": "\ud800x",
        "pair": "\ud83d\ude00",
        "array": np.array([1, 2]),
        "one": np.float64(0.5),
        "set": {2, 1},
    }
    assert decode(encode(0, 0.0, "note", "machine", body))["body"] == {
        "nan": "NaN",
        "up": "Infinity",
        "down": "-Infinity",
        "wide": str(2**70),
        "negative": str(-(2**70)),
        "big": "1e+300",
        "raw": "00ff",
        "half": "\ufffdx",
        "pair": "\U0001f600",
        "array": [1, 2],
        "one": 0.5,
        "set": [1, 2],
    }


def test_a_number_of_ten_thousand_digits_does_not_raise() -> None:
    entry = decode(encode(0, 0.0, "note", "machine", {"n": 10**10_000}))
    assert int(entry["body"]["n"], 16) == 10**10_000


def test_deep_nesting_is_cut_instead_of_raising() -> None:
    deep: Any = "bottom"
    for _ in range(100_000):
        deep = [deep]
    assert "…" in encode(0, 0.0, "note", "machine", {"deep": deep}).decode()


def test_keys_are_sorted_and_no_space_is_wasted() -> None:
    assert encode(1, 0.5, "note", "ann", {"b": 1, "a": None}) == (
        b'{"actor":"ann","at":"1970-01-01T00:00:00.500000Z","body":{"a":null,"b":1},"kind":"note","seq":1}'
    )


def test_an_unknown_kind_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="'made_up' is no kind"):
        encode(0, 0.0, "made_up", "machine", {})


@pytest.mark.parametrize("data", [b"", b"[]", b'{"seq":1}', b"\xff", b"1"])
def test_bytes_that_are_no_entry_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        decode(data)


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (0.0, "1970-01-01T00:00:00Z"),
        (1764000000.25, "2025-11-24T16:00:00.250000Z"),
        (-62135596800.0, "0001-01-01T00:00:00Z"),
        (253402300799.0, "9999-12-31T23:59:59Z"),
        (1e30, "1e+30"),
        (math.nan, "nan"),
    ],
)
def test_times_are_rfc_3339(at: float, text: str) -> None:
    assert timestamp(at) == text


@relaxed
@given(st.floats(0, 4e9))
def test_equal_times_give_equal_text_and_microseconds_are_kept(at: float) -> None:
    from datetime import datetime

    read = datetime.fromisoformat(timestamp(at).replace("Z", "+00:00")).timestamp()
    assert abs(read - at) < 2e-6


def test_every_kind_says_what_it_means_and_fits_its_column() -> None:
    for kind, meaning in KINDS.items():
        assert kind == kind.lower()
        assert len(kind) <= 40
        assert meaning
    with pytest.raises(TypeError):
        KINDS["new"] = "x"  # type: ignore[index]


def test_canonical_bytes_parse_with_any_json_reader() -> None:
    assert json.loads(encode(0, 0.0, "note", "machine", {"x": [1.5, "é"]}))["body"] == {"x": [1.5, "é"]}
