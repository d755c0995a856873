"""References that people give: armed at once, in every version of the model, restored exactly, refused in words."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.core import state
from monitor.core.columns import Columns
from monitor.core.detectors.budget.cells import Cells
from monitor.core.detectors.budget.fit import Fitter
from monitor.core.detectors.budget.given import entry_of
from monitor.core.detectors.budget.points import single
from monitor.core.detectors.budget.tell import fitted_rows, row_sentences
from monitor.core.events import Batch
from monitor.core.references import Fitted, from_text, to_text, unpack
from monitor.core.rules.model import Detect, Position, Rule
from monitor.core.sound import fault
from monitor.core.state import StateError
from monitor.core.watcher import Mark

Make = Callable[..., Any]
WEEK = 2016
RULE = Rule("pack", "Rule", Detect("shift", ("inputs.*",)), "high", Position("p", 1, 1), resolve="person")


def noise(seed: int, n: int, level: float = 0.0) -> list[float]:
    return (np.random.default_rng(seed).normal(0, 1, n) + level).tolist()


def fitted(columns: dict[str, list[Any]], step: float = 300.0, rule: Rule = RULE, version: str | None = None) -> Fitted:
    """What training data comes to: it happened a year before the model went live."""
    n = len(next(iter(columns.values())))
    at = 1_650_000_000.0 + np.arange(n) * step
    fitter = Fitter(rule, "model", Columns(), 1.0, version)
    versions: list[str | None] = [version] * n
    fitter.feed_batch(Batch("model", [str(i) for i in range(n)], at, at, np.arange(n), dict(columns), versions))
    return fitter.result()


def mark(reference: Fitted, version: int = 1) -> Mark:
    return Mark("reference", 0.0, "model", "pack/Rule", body={"fitted": to_text(reference.pack()), "version": version})


def shifts(found: list[Any]) -> list[Any]:
    return [f for f in found if f.evidence.statistic == "shift: e-detector"]


def test_a_new_model_is_watched_from_its_first_event_by_what_it_was_given(player: Make) -> None:
    watched = player()
    watched.watcher.apply(mark(fitted({"inputs.x": noise(1, 2 * WEEK)}), 3))
    described = watched.watcher.describe()
    assert (described["waiting"], described["reference_version"]) == (True, 3)
    watched.reload()
    assert shifts(watched.feed({"inputs.x": noise(2, 300)})) == []
    (row,) = watched.watcher.describe()["references"]
    assert (row["state"], row["share"]) == ("watching", 1.0)
    assert shifts(watched.feed({"inputs.x": noise(3, 100, 1.5)}))


def test_what_is_given_replaces_what_was_learned_with_all_that_had_gathered_under_it(player: Make) -> None:
    watched = player()
    watched.feed({"inputs.x": noise(1, 2 * WEEK)})
    watched.arm()
    watched.feed({"inputs.x": noise(2, 10, 1.5)})
    assert watched.watcher.describe()["references"][0]["now"] > 0.01
    watched.watcher.apply(mark(fitted({"inputs.x": noise(3, 2 * WEEK, 1.5)})))
    (row,) = watched.watcher.describe()["references"]
    assert row["now"] == 0.0
    assert row["mean"] == pytest.approx(1.5, abs=0.1)
    assert shifts(watched.feed({"inputs.x": noise(4, 300, 1.5)})) == []
    assert shifts(watched.feed({"inputs.x": noise(5, 100)}))


def test_every_version_of_the_model_that_is_followed_is_watched_by_it(player: Make) -> None:
    watched = player()
    versions = ["a", "b"] * 200
    watched.feed({"inputs.x": noise(1, 400)}, versions=versions)
    watched.watcher.apply(mark(fitted({"inputs.x": noise(2, 2 * WEEK)})))
    assert watched.states == ["watching", "watching"]
    watched.feed({"inputs.x": noise(3, 10)}, versions=["c"] * 10)
    assert watched.states == ["watching", "watching", "collecting"], "a version of its own learns its own"


def test_one_version_only_if_the_data_is_of_one(player: Make) -> None:
    reference = fitted({"inputs.x": noise(1, 2 * WEEK)}, version="b")
    assert [s.version for s in reference.series] == ["b"]
    assert reference.for_version("b")[0].armed is not None


def test_series_that_were_not_given_keep_what_they_have(player: Make) -> None:
    watched = player()
    watched.feed({"inputs.x": noise(1, 2 * WEEK), "inputs.y": noise(2, 2 * WEEK)})
    watched.arm()
    before = watched.watcher.fitted().series[1]
    watched.watcher.apply(mark(fitted({"inputs.x": noise(3, 2 * WEEK)})))
    assert watched.watcher.fitted().series[1] == before


def test_what_was_learned_is_told_once_and_can_be_put_back_exactly(player: Make) -> None:
    watched = player()
    watched.feed({"inputs.x": noise(1, WEEK + 30)})
    (learned,) = watched.watcher.learned()
    assert (learned.version, learned.model, learned.fitted.rule) == (0, "model", "pack/Rule")
    assert watched.watcher.learned() == []
    watched.watcher.apply(Mark("reference", watched.now, body={"version": 2}))
    watched.feed({"inputs.x": noise(2, WEEK + 30, 3.0)})
    (second,) = watched.watcher.learned()
    assert second.version == 2
    watched.watcher.apply(mark(learned.fitted, 4))
    assert watched.watcher.fitted().pack() == learned.fitted.pack()


@pytest.mark.parametrize("cuts", [7, 333])
def test_cuts_and_reloads_change_no_bit_under_a_given_reference(player: Make, cuts: int) -> None:
    reference = fitted({"inputs.x": noise(1, 2 * WEEK), "inputs.y": noise(2, 2 * WEEK)})
    values = {"inputs.x": noise(3, 500) + noise(4, 200, 2.0), "inputs.y": noise(5, 700)}
    whole, pieces = player(), player()
    for one in (whole, pieces):
        one.watcher.apply(mark(reference))
    expected = whole.feed(values)
    assert len(shifts(expected)) >= 1
    assert pieces.feed(values, cuts=cuts, reload=cuts > 60) == expected
    assert pieces.digest() == whole.digest()


def test_what_cannot_be_held_to_the_budget_is_refused_and_collected_anew(player: Make) -> None:
    reference = fitted({"inputs.x": [5.0] * 3000, "inputs.y": noise(1, 3000)})
    refused = {s.column: s for s in reference.series}["inputs.x"]
    assert refused.armed is None and refused.note.endswith(".")
    watched = player()
    watched.watcher.apply(mark(reference))
    watched.feed({"inputs.x": noise(2, 100), "inputs.y": noise(3, 100)})
    rows = {row["column"]: row for row in watched.watcher.describe()["references"]}
    assert rows["inputs.y"]["state"] == "watching"
    assert rows["inputs.x"]["state"] == "collecting"
    assert refused.note in " ".join(row_sentences(rows["inputs.x"]))


def test_too_little_data_is_refused() -> None:
    (series,) = fitted({"inputs.x": noise(1, 120)}).series
    assert series.armed is not None and series.armed.n == 120, "the values that decided what the column is count too"
    (series,) = fitted({"inputs.x": noise(1, 90)}).series
    assert series.armed is None and "at least 100 are needed" in series.note


def test_data_is_for_rules_under_the_page_budget() -> None:
    with pytest.raises(ValueError, match="no reference that could be given"):
        Fitter(replace(RULE, form=Detect("quality", ("inputs.*",))), "model", Columns(), 1.0)


def test_a_rule_of_a_larger_tolerance_goes_on_by_the_same_reference_and_finds_less(player: Make) -> None:
    def built(tolerance: float) -> Any:
        return player(Detect("shift", ("inputs.*",), tolerance=tolerance))

    old = built(0.05)
    old.feed({"inputs.x": noise(1, 2 * WEEK)})
    old.arm()
    for tolerance, states in ((0.15, ["watching"]), (0.02, [])):
        newer = built(tolerance)
        newer.offset = old.offset
        newer.watcher.inherit(old.watcher)
        assert newer.states == states
    wider = built(0.15)
    wider.offset = old.offset
    wider.watcher.inherit(old.watcher)
    (row,) = wider.watcher.describe()["references"]
    assert row["tolerates"] == pytest.approx(0.545, abs=0.01)
    assert row["finds"]["1 sd"] > old.watcher.describe()["references"][0]["finds"]["1 sd"]
    wider.columns.kinds["inputs.x"], wider.columns.known_at["inputs.x"] = "number", -1
    assert shifts(wider.feed({"inputs.x": noise(2, WEEK, 0.4)})) == []


def test_what_was_fitted_is_told_in_whole_sentences() -> None:
    season = np.sin(2 * np.pi * np.arange(2 * WEEK) / 288)
    columns = {"inputs.day": (2 * season + noise(1, 2 * WEEK)).tolist(), "inputs.flat": [1.0] * 2 * WEEK}
    rows = fitted_rows(fitted(columns), 0.3, 0.7)
    told = {row["column"]: row_sentences(row) for row in rows}
    assert all(sentence.endswith((".", ").")) for said in told.values() for sentence in said)
    day = " ".join(told["inputs.day"])
    assert "a daily season" in day
    assert "A shift of 1 standard deviation takes about" in day and "A shift of 2 standard deviations" in day
    assert "is tolerated" in day
    assert told["inputs.flat"][0].startswith("inputs.flat is refused.")


@given(st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_bytes_that_are_no_reference_are_refused(data: bytes) -> None:
    with pytest.raises(StateError):
        unpack(data)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_a_damaged_reference_is_refused_or_can_be_watched_by(data: Any) -> None:
    import zlib

    plain = bytearray(zlib.decompress(REFERENCE.pack()))
    for _ in range(data.draw(st.integers(1, 3))):
        plain[data.draw(st.integers(0, len(plain) - 1))] = data.draw(st.integers(0, 255))
    try:
        read = unpack(zlib.compress(bytes(plain)))
    except StateError:
        return
    for series in read.series:
        assert series.armed is None or np.isfinite(series.armed.seen.table).all()
        if series.armed is not None:
            at = np.arange(300) * 300.0 + 1e9
            values = np.resize([0.0, 1.5, -1e300, np.inf, 1e5], 300)
            looks = entry_of(series, 0.05, 0.05).take(single(np.arange(300), at, at, values))
            assert looks is None or looks.cells.max() < len(series.armed.seen.table)


def made_wrong(**more: Any) -> Any:
    (armed,) = [s.armed for s in REFERENCE.series if s.armed is not None]
    return replace(armed, **more)


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ({"mean": np.nan}, "not finite"),
        ({"rate": 0.0}, "cannot be"),
        ({"n": 0}, "cannot be"),
        ({"first": 2.0, "last": 1.0}, "an end before its beginning"),
    ],
)
def test_a_reference_that_nothing_can_be_watched_by_is_refused_for_what_is_wrong_with_it(
    what: dict[str, Any], said: str
) -> None:
    found = fault(made_wrong(**what))
    assert found is not None and said in found


def test_cuts_and_ranks_of_a_reference_have_to_rise() -> None:
    good = made_wrong()
    assert fault(good) is None
    raw = good.seen.raw
    for cells, said in (
        (Cells(raw.cuts[::-1].copy(), raw.ranks, raw.n), "cuts that do not rise"),
        (Cells(raw.cuts, raw.ranks[::-1].copy(), raw.n), "ranks that do not rise"),
        (Cells(raw.cuts[1:], raw.ranks, raw.n), "do not belong together"),
    ):
        found = fault(replace(good, seen=replace(good.seen, raw=cells)))
        assert found is not None and said in found


REFERENCE = fitted({"inputs.x": noise(1, 400), "inputs.y": [1.0] * 400})


def test_a_reference_survives_its_packing_and_the_text_of_a_mark() -> None:
    packed = REFERENCE.pack()
    assert unpack(packed).pack() == packed
    assert from_text(to_text(packed)).pack() == packed
    assert state.dump({"a": 1}) != packed
    with pytest.raises(StateError, match="base64"):
        from_text("?")


@pytest.mark.parametrize(
    "header", ["[" * 200_000 + "]" * 200_000, '{"v":{"$":[0,0,"(2,i4",[1]]}}'], ids=["deep", "type"]
)
def test_bytes_that_break_a_parser_are_refused_like_all_others(header: str) -> None:
    with pytest.raises(StateError, match="cannot be read"):
        unpack(zlib.compress(len(header).to_bytes(8, "little") + header.encode()))


def test_a_reference_of_more_series_than_are_ever_watched_is_refused_before_they_are_looked_at() -> None:
    reference = fitted({"inputs.x": noise(1, 300)})
    many = replace(reference, series=tuple(replace(reference.series[0], segment=str(i)) for i in range(2001)))
    with pytest.raises(StateError, match="at most 2,000 series, and this one 2,001"):
        unpack(many.pack())


def test_a_reference_of_our_own_is_read_back_without_making_the_bets_of_each_series() -> None:
    reference = fitted({"inputs.x": noise(1, 300)})
    (series,) = unpack(reference.pack(), trusted=True).series
    assert "table" not in vars(series.armed.seen)
    assert unpack(reference.pack(), trusted=True).pack() == reference.pack()


def test_what_is_learned_for_one_version_after_another_stays_bounded() -> None:
    whole = fitted({"inputs.x": noise(1, 300)}, version="v0")
    (series,) = whole.series
    for i in range(1, 12):
        later = replace(series, version=f"v{i}", armed=replace(series.armed, last=series.armed.last + i))
        whole = whole.merged(replace(whole, series=(later,)))
    assert sorted(s.version for s in whole.series) == sorted(["v11", "v10", "v9", "v8"])


def test_a_reference_of_one_week_is_inherited_as_one_of_a_week_and_goes_on_to_two(player: Make) -> None:
    old, newer = (player(Detect("shift", ("inputs.*",), tolerance=tolerance)) for tolerance in (0.05, 0.06))
    newer.columns = old.columns
    newer.watcher = newer.fresh()
    old.feed({"inputs.x": noise(1, WEEK + 100)})
    newer.offset = old.offset
    newer.watcher.inherit(old.watcher)
    (was,), (row,) = (w.watcher.describe()["references"] for w in (old, newer))
    assert row["share"] == was["share"] < 0.6
    assert row["collected"] == was["collected"] == WEEK + 100
    newer.reload()
    newer.feed({"inputs.x": noise(2, WEEK)})
    (row,) = newer.watcher.describe()["references"]
    assert (row["state"], row["share"], row.get("collected")) == ("watching", 1.0, None)
