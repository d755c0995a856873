from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.core.detectors.routing import KEPT, Routes
from monitor.core.events import Batch

Versions = list[str | None]


def batch(versions: Versions, segments: list[str], start: int) -> Batch:
    n = len(versions)
    at = np.arange(start, start + n, dtype=float)
    return Batch("m", ["x"] * n, at, at, np.arange(start, start + n), {"s": list(segments)}, versions)


def walk(routes: Routes, versions: Versions, segments: list[str], cuts: list[int]) -> dict[Any, list[int]]:
    """What each series would have been fed since it was last forgotten."""
    fed: dict[Any, list[int]] = {}

    def forget(version: str | None) -> None:
        for key in [key for key in fed if version is None or key[0] == version]:
            del fed[key]

    edges = [0, *sorted(cuts), len(versions)]
    for start, stop in itertools.pairwise(edges):
        for route in routes.split(batch(versions[start:stop], segments[start:stop], start), forget):
            fed.setdefault((route.version, route.segment), []).extend((route.rows + start).tolist())
    return fed


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(["keep", "compare", "refit"]),
    st.lists(st.tuples(st.sampled_from([None, *"abcdefg"]), st.sampled_from("xy")), max_size=60),
    st.lists(st.integers(0, 60), max_size=6),
)
def test_cuts_change_nothing_and_each_row_goes_to_its_series(
    on_version: Any, rows: list[tuple[str | None, str]], cuts: list[int]
) -> None:
    versions, segments = [v for v, _ in rows], [s for _, s in rows]
    inside = [c for c in cuts if c <= len(rows)]
    whole = walk(routes := Routes(("s",), on_version), versions, segments, [])
    pieces = walk(again := Routes(("s",), on_version), versions, segments, inside)
    assert whole == pieces
    assert routes.save() == again.save()
    for (version, segment), fed in whole.items():
        assert fed == sorted(fed)
        assert all(f"s={segments[i]}" == segment for i in fed)
        assert version == "" or all(versions[i] == version for i in fed)
    if on_version == "keep":
        assert sum(map(len, whole.values())) == len(rows)
    if on_version == "compare":
        assert len({version for version, _ in whole}) <= KEPT


def test_compare_forgets_the_version_unseen_for_longest(batch_of: Callable[..., Batch]) -> None:
    versions: Versions = ["a", "b", "c", "d", "a", "e"]
    fed = walk(Routes((), "compare"), versions, [""] * 6, [])
    assert {version for version, _ in fed} == {"a", "c", "d", "e"}


def test_refit_starts_afresh_at_a_version_never_seen_and_not_at_one_seen_before() -> None:
    versions: Versions = ["1", "1", "2", "1", "2"]
    assert walk(Routes((), "refit"), versions, [""] * 5, []) == {("", ""): [2, 3, 4]}


@pytest.mark.parametrize("on_version", ["keep", "compare", "refit"])
def test_state_goes_on_identically(on_version: Any) -> None:
    routes, other = Routes(("s",), on_version), Routes(("s",), on_version)
    walk(routes, ["1", "2"], ["x", "y"], [])
    other.load(routes.save())
    later = batch(["2", "3"], ["y", "z"], 2)
    said = [
        [(r.version, r.segment, r.rows.tolist()) for r in each.split(later, lambda v: None)] for each in (routes, other)
    ]
    assert said[0] == said[1]
    assert routes.save() == other.save()


class Counted(str):
    """A version that counts how often it is looked up, which is what a change of version costs."""

    looks = 0

    def __hash__(self) -> int:
        Counted.looks += 1
        return super().__hash__()


@pytest.mark.parametrize("on_version", ["compare", "refit"])
def test_a_version_of_its_own_for_each_event_costs_the_same_for_each(on_version: Any) -> None:
    def looks(n: int) -> int:
        Counted.looks = 0
        routes = Routes((), on_version)
        assert len(list(routes.split(batch([Counted(i) for i in range(n)], [""] * n, 0), lambda _: None))) == n
        assert len(routes.versions) <= 64
        return Counted.looks

    assert looks(2_000) < 2.1 * looks(1_000)
