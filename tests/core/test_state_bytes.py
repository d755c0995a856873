from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.state import StateError, dump, load

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
keys = st.text(max_size=5) | st.sampled_from(["$", "$$", ""])  # what a reference is written as, too
values = st.recursive(
    scalars | st.binary(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=20,
)


def same(a: object, b: object) -> bool:
    if isinstance(a, float) and isinstance(b, float):
        return a == b or (math.isnan(a) and math.isnan(b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


@given(values)
def test_any_plain_value_comes_back_and_gives_the_same_bytes_again(value: object) -> None:
    data = dump(value)
    assert same(load(data), value)
    assert dump(load(data)) == data


def test_dict_order_does_not_matter_for_the_bytes() -> None:
    assert dump({"a": 1, "b": [2.5]}) == dump(dict(reversed([("a", 1), ("b", [2.5])])))


@pytest.mark.parametrize("dtype", ["f8", "i8", "u1", "?", "i4"])
def test_arrays_keep_shape_type_and_values_and_can_be_written_to(dtype: str) -> None:
    array = np.arange(6).reshape(2, 3).astype(dtype)
    back = load(dump({"x": array}))["x"]
    assert back.dtype == array.dtype and back.shape == (2, 3) and (back == array).all()
    back[0, 0] = 1


def test_a_dict_that_looks_like_a_reference_comes_back_as_a_dict() -> None:
    value = {"$": {"$": [0, 1], "a": [{"$": b"x"}, {"$": {"": [["b", 1]]}}, float("nan")]}}
    assert same(load(dump(value)), value)


@pytest.mark.parametrize("kind", ["O", "<f8", "nonsense"])
def test_references_to_what_is_not_there_are_refused(kind: str) -> None:
    header = b'{"a":{"$":[0,8,"%s",[1]]}}' % kind.encode()
    with pytest.raises(StateError):
        load(len(header).to_bytes(8, "little") + header + b"1234567")


@pytest.mark.parametrize("broken", [b"", b"\x05\0\0\0\0\0\0\0{}", b"x" * 40, dump([1])[:-1]])
def test_bytes_that_are_no_state_are_refused_by_name(broken: bytes) -> None:
    with pytest.raises(StateError):
        load(broken)


def test_a_value_that_cannot_be_kept_is_refused_when_it_is_written() -> None:
    with pytest.raises(TypeError, match="object"):
        dump({"x": object()})
    with pytest.raises(TypeError, match="ndarray"):
        dump({"x": [np.array([object()])]})
    with pytest.raises(TypeError, match="text"):
        dump([{"a": ({1: 2},)}])
    with pytest.raises(TypeError, match="text"):
        dump({1: "x"})
