"""Reading by a remembered shape gives what reading without one gives, value for value."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.core.events import Batch
from monitor.formats.decode import DecodeError, to_batches
from monitor.formats.typed import MODELS, TRIES, Shapes
from monitor.spool import Flags, Record


def record(first: int, *lines: dict[str, Any]) -> Record:
    full = [{"id": first + n, "model": "m"} | line for n, line in enumerate(lines)]
    return Record(0, first, len(full), "events", 100.0, Flags(), "\n".join(map(json.dumps, full)).encode())


def told(batches: list[Batch]) -> list[Any]:
    """All that a batch says, with the types of its values and without the order of its columns."""
    return [
        (b.model, b.ids, b.versions, b.at.tolist(), b.offsets.tolist(), repr(sorted(b.columns.items())))
        for b in batches
    ]


numbers = st.integers(-9, 9) | st.floats(allow_nan=False, allow_infinity=False) | st.integers(2**60, 2**80)
scalars = st.none() | st.booleans() | numbers | st.text(max_size=3)
lists = st.lists(scalars, max_size=3)
keys = st.sampled_from(["a", "b", "user-id", "a.b", "é", 'q"', "\\", "", "\u0001"])
objects = st.none() | st.dictionaries(keys, scalars | lists | st.dictionaries(keys, scalars, max_size=2), max_size=4)
events = st.fixed_dictionaries(
    {"model": st.sampled_from("mn")},
    optional={
        "id": st.sampled_from(["x", 7]),
        "version": st.sampled_from([None, "v", 1, 2.5]),
        "at": st.sampled_from([None, 1, 2.5, "1970-01-01T00:00:09Z"]),
        **dict.fromkeys(("inputs", "output", "context", "truth"), objects),
    },
)


@settings(deadline=None, max_examples=150)
@given(st.lists(events, min_size=1, max_size=24), st.data())
def test_any_lines_in_any_pieces_read_as_without_a_shape(lines: list[dict[str, Any]], data: st.DataObject) -> None:
    cuts = sorted({0, len(lines), *data.draw(st.lists(st.integers(0, len(lines)), max_size=6))})
    shapes = Shapes()
    for _ in range(2):  # the second time every shape that can be is known
        for a, b in pairwise(cuts):
            piece = [record(a, *lines[a:b])]
            assert told(to_batches(piece, shapes)) == told(to_batches(piece))


def test_lines_of_one_shape_are_read_by_it_from_the_second_piece_on() -> None:
    shapes, piece = Shapes(), record(0, *({"inputs": {"a": 1, "b": "x"}, "output": {"y": 0.5}} for _ in range(5)))
    to_batches([piece], shapes)
    name, shape = shapes.of(piece.payload)
    assert name == "m" and shape is not None and shape.read(piece.payload) is not None
    assert told(to_batches([piece], shapes)) == told(to_batches([piece]))


def test_a_key_that_comes_later_widens_the_shape() -> None:
    shapes = Shapes()
    narrow, wide = record(0, {"inputs": {"a": 1}}), record(1, {"inputs": {"a": 1, "b": 2}})
    for piece in (narrow, wide, narrow, wide):
        assert told(to_batches([piece], shapes)) == told(to_batches([piece]))
    for piece in (narrow, wide):
        shape = shapes.of(piece.payload)[1]
        assert shape is not None and shape.read(piece.payload) is not None


def test_a_model_whose_lines_have_no_shape_is_given_up() -> None:
    shapes = Shapes()
    for n in range(TRIES + 2):
        piece = record(n, {"inputs": {f"k{n}": 1, "a": 1}})
        assert told(to_batches([piece], shapes)) == told(to_batches([piece]))
    assert shapes.of(piece.payload) == ("m", None)


def test_models_that_share_no_keys_share_no_shape() -> None:
    shapes = Shapes()
    mixed = record(0, *({"model": f"m{n}", "inputs": {f"k{n}": 1}} for n in range(10)))
    to_batches([mixed], shapes)
    assert shapes.of(mixed.payload) == ("m0", None)


def test_shapes_are_bounded() -> None:
    shapes = Shapes()
    for n in range(MODELS + 5):
        to_batches([record(n, {"model": f"m{n}", "inputs": {"a": 1}})], shapes)
    assert shapes.of(b'{"model":"m0"}')[1] is not None
    assert shapes.of(f'{{"model":"m{MODELS}"}}'.encode())[1] is None


@pytest.mark.parametrize("broken", [b"{broken", b'{"id":"a","model":"m","inputs":[1]}', b'{"id":"a"}'])
def test_broken_lines_are_told_as_they_are_without_shapes(broken: bytes) -> None:
    shapes, good = Shapes(), record(0, {"inputs": {"a": 1}})
    to_batches([good], shapes)
    for lines in (broken, good.payload + b"\n" + broken):
        piece = Record(0, 0, lines.count(b"\n") + 1, "events", 1.0, Flags(), lines)
        with pytest.raises(DecodeError) as plain:
            to_batches([piece])
        with pytest.raises(DecodeError) as typed:
            to_batches([piece], shapes)
        assert str(typed.value) == str(plain.value)


def test_a_long_piece_whose_end_has_another_shape_is_read_all_the_same() -> None:
    shapes, text = Shapes(), "x" * 1000
    plain = [{"inputs": {"a": n, "b": text}} for n in range(700)]  # two thirds of a megabyte
    to_batches([record(0, *plain)], shapes)
    mixed = record(0, *plain, {"inputs": {"a": [1, 2], "c": None}}, {"model": "other"})
    assert told(to_batches([mixed], shapes)) == told(to_batches([mixed]))
    assert told(to_batches([record(0, *plain)], shapes)) == told(to_batches([record(0, *plain)]))
