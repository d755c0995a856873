from __future__ import annotations

import json
import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.core.events import MISSING
from monitor.formats.decode import DecodeError, to_batches
from monitor.spool import Flags, Record


def record(
    first: int, *lines: dict[str, Any], kind: Any = "events", at: float = 100.0, flags: Flags = Flags()
) -> Record:
    full = [{"id": first + n, "model": "m"} | line for n, line in enumerate(lines)]
    return Record(0, first, len(full), kind, at, flags, "\n".join(map(json.dumps, full)).encode())


def test_events_become_columns_with_dotted_paths() -> None:
    (batch,) = to_batches(
        [
            record(10, {"inputs": {"a": 1, "deep": {"b": {"c": "x"}}}, "output": {"label": "yes"}, "version": 3}),
            record(11, {"inputs": {"a": 2.5}, "context": {"ms": 7}, "truth": {"y": True}, "version": "4"}, at=101.0),
        ]
    )
    assert (batch.model, batch.ids, batch.versions, batch.truth) == ("m", ["10", "11"], ["3", "4"], False)
    assert batch.offsets.tolist() == [10, 11] and batch.recorded_at.tolist() == [100.0, 101.0]
    assert batch.columns == {
        "inputs.a": [1, 2.5],
        "inputs.deep.b.c": ["x", MISSING],
        "output.label": ["yes", MISSING],
        "context.ms": [MISSING, 7],
        "truth.y": [MISSING, True],
    }


def test_at_is_the_producers_time_or_else_when_it_was_recorded() -> None:
    times = ["1970-01-01T01:00:30.5+01:00", None, 12, 0.25]
    (batch,) = to_batches([record(0, *({"output": {}, "at": at} for at in times))])
    assert batch.at.tolist() == [30.5, 100.0, 12.0, 0.25]
    (batch,) = to_batches([record(0, {"output": {}}, at=7.0), record(1, {"output": {}}, at=8.0)])
    assert batch.at.tolist() == [7.0, 8.0]


def test_the_first_and_the_last_year_are_times() -> None:
    (batch,) = to_batches(
        [record(0, {"output": {}, "at": "0001-01-01T00:00:00Z"}, {"output": {}, "at": "9999-12-31T23:59:59Z"})]
    )
    assert batch.at.tolist() == [-62_135_596_800.0, 253_402_300_799.0]


def test_models_come_in_the_order_of_their_first_event() -> None:
    batches = to_batches(
        [record(0, {"model": "z"}, {"model": "a"}, {"model": "z"}), record(3, {"model": "b"}, {"model": "a"})]
    )
    assert [(b.model, b.offsets.tolist()) for b in batches] == [("z", [0, 2]), ("a", [1, 4]), ("b", [3])]


def test_truth_and_events_and_flags_are_apart_and_in_order() -> None:
    old = Flags(event_time=True, live=False, source="file")
    batches = to_batches(
        [
            record(0, {"output": {"x": 1}}),
            record(1, {"truth": {"y": 1}}, kind="truth"),
            record(2, {"output": {"x": 2}}),
            record(3, {"output": {"x": 3}}, flags=old),
        ]
    )
    assert [(b.truth, b.event_time, b.live, b.ids) for b in batches] == [
        (False, False, True, ["0"]),
        (True, False, True, ["1"]),
        (False, False, True, ["2"]),
        (False, True, False, ["3"]),
    ]
    assert batches[1].columns == {"truth.y": [1]} and batches[1].versions == [None]


def test_lists_of_numbers_are_vectors_and_other_lists_are_text() -> None:
    values = [[1, 2.5], ["a", 1], [], [True], [{"k": 1}], [1, "NaN"], [[1], [2]], "text", ["1", "2"]]
    (batch,) = to_batches([record(0, *({"inputs": {"v": value}} for value in values))])
    got = batch.columns["inputs.v"]
    assert got[0] == [1, 2.5] and got[1:5] == ['["a",1]', "[]", "[true]", '[{"k":1}]']
    assert got[5][0] == 1 and math.isnan(got[5][1])
    assert got[6:] == ["[[1],[2]]", "text", '["1","2"]']


def test_a_column_that_is_an_object_here_and_a_value_there_is_both() -> None:
    (batch,) = to_batches(
        [record(0, {"inputs": {"a": 1}}, {"inputs": {"a": {"b": 2}}}, {"inputs": {"a.b": 3}}, {"inputs": {"a": {}}})]
    )
    assert batch.columns == {"inputs.a.b": [MISSING, 2, 3, MISSING], "inputs.a": [1, MISSING, MISSING, MISSING]}


def test_null_and_whole_numbers_beyond_64_bits_come_through() -> None:
    (batch,) = to_batches([record(0, {"inputs": {"a": None, "b": 2**70, "c": "NaN"}})])
    assert batch.columns == {"inputs.a": [None], "inputs.b": [2**70], "inputs.c": ["NaN"]}
    assert batch.numbers("inputs.b")[0].tolist() == [float(2**70)]


def test_rows_that_share_no_keys_cannot_multiply_without_bound(caplog: pytest.LogCaptureFixture) -> None:
    lines = [{"inputs": {f"k{row}_{n}": 1 for n in range(100)}} for row in range(80)]
    (batch,) = to_batches([record(0, *lines)])
    assert len(batch.columns) == 4_096
    assert "3904 were left out" in caplog.text


def test_lines_that_do_not_match_their_count_are_an_error() -> None:
    good = record(0, {"output": {}}, {"output": {}})
    with pytest.raises(DecodeError, match=r"The lines from offset 0 are 2, and the spool counted 3\."):
        to_batches([Record(0, 0, 3, "events", 1.0, Flags(), good.payload)])
    with pytest.raises(DecodeError, match="cannot be read back"):
        to_batches([Record(0, 0, 1, "events", 1.0, Flags(), b"{broken")])


values = (
    st.none()
    | st.booleans()
    | st.integers(-9, 9)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=3)
)
objects = st.dictionaries(
    st.sampled_from("abc"), values | st.dictionaries(st.sampled_from("de"), values, max_size=2), max_size=3
)


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("mn"), objects), min_size=1, max_size=30), st.data())
def test_any_cut_into_records_gives_the_same_columns(events: list[tuple[str, Any]], data: st.DataObject) -> None:
    lines = [{"model": model, "inputs": inputs} for model, inputs in events]
    cuts = sorted({0, len(lines), *data.draw(st.lists(st.integers(0, len(lines)), max_size=5))})
    whole = to_batches([record(0, *lines)])
    cut = to_batches([record(a, *lines[a:b]) for a, b in pairwise(cuts)])
    for one, other in zip(whole, cut, strict=True):
        assert (one.model, one.ids, one.offsets.tolist()) == (other.model, other.ids, other.offsets.tolist())
        assert one.columns == other.columns
        for row, offset in enumerate(one.offsets.tolist()):
            flat = _flat("inputs", events[offset][1])
            assert {p: c[row] for p, c in one.columns.items() if c[row] is not MISSING} == flat
        assert np.all(one.recorded_at == 100.0)


def _flat(prefix: str, item: dict[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, found in item.items():
        flat |= _flat(f"{prefix}.{key}", found) if isinstance(found, dict) else {f"{prefix}.{key}": found}
    return flat
