from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from monitor.core import state
from monitor.core.detectors.budget.arming import SILENT
from monitor.core.detectors.budget.watcher import BudgetWatcher
from monitor.core.detectors.build import budgeted, page_budget
from monitor.core.detectors.stream_watcher import StreamWatcher
from monitor.core.events import MISSING
from monitor.core.rules.model import ColumnSetting, Detect, Position, Rule
from monitor.core.state import StateError
from monitor.core.watcher import Mark

Make = Callable[..., Any]
WEEK = 2016
START = 1_700_000_000.0


def noise(seed: int, n: int, level: float = 0.0) -> list[float]:
    return (np.random.default_rng(seed).normal(0, 1, n) + level).tolist()


def armed(player: Make, seed: int = 11, **more: Any) -> Any:
    watched = player(**more)
    assert watched.feed({"inputs.x": noise(seed, 2 * WEEK)}) == []
    watched.arm()
    assert watched.states == ["watching"]
    return watched


def shifts(found: list[Any]) -> list[Any]:
    return [f for f in found if f.evidence.statistic == "shift: e-detector"]


def test_rules_that_learn_are_budgeted_unless_they_say_otherwise(player: Make) -> None:
    assert isinstance(player().watcher, BudgetWatcher)
    assert isinstance(player(Detect("shift", ("inputs.*",), method="adwin")).watcher, BudgetWatcher)
    assert isinstance(player(Detect("shift", ("inputs.*",), budget=False)).watcher, StreamWatcher)
    assert isinstance(player(Detect("shift", ("inputs.*",), method="adwin", budget=False)).watcher, StreamWatcher)
    assert not budgeted(Detect("quality", ("inputs.*",)))


def test_a_shift_is_one_finding_that_says_what_moved_how_far_since_when_and_how_sure(player: Make) -> None:
    watched = armed(player)
    changed = watched.now
    found = shifts(watched.feed({"inputs.x": noise(2, 200, 1.5)}))
    assert len(found) == 1
    evidence = found[0].evidence
    assert changed <= evidence.at < changed + 40 * 300
    assert evidence.expected == pytest.approx(0, abs=0.05)
    assert evidence.value == pytest.approx(1.5, abs=0.6)
    assert evidence.interval[0] < 1.5 < evidence.interval[1]
    assert evidence.interval[0] < evidence.effect < evidence.interval[1]
    assert 4 <= evidence.n <= 40
    assert evidence.detail.startswith("inputs.x moved from a mean of ")
    for words in ("standard deviations", "over its last", "since 20", "times likelier"):
        assert words in evidence.detail
    assert evidence.detail.endswith(".")


def test_one_monstrous_value_is_found_at_once(player: Make) -> None:
    watched = armed(player)
    values = noise(2, 300)
    values[100] = 40.0
    (found,) = watched.feed({"inputs.x": values})
    assert found.evidence.statistic == "shift: outlier"
    assert found.evidence.at == START + (2 * WEEK + 100) * 300
    assert found.evidence.detail.startswith("inputs.x is at 40 where about ")


def test_a_shift_on_which_nobody_would_act_is_not_found(player: Make) -> None:
    assert shifts(armed(player).feed({"inputs.x": noise(3, 2 * WEEK, 0.08)})) == []


def test_several_columns_that_moved_together_are_several_findings(player: Make) -> None:
    watched = player()
    watched.feed({f"inputs.{c}": noise(i, 2 * WEEK) for i, c in enumerate("abcd")})
    watched.arm()
    moved = {"a": 1.5, "b": 0.0, "c": 1.5, "d": 0.0}
    found = shifts(watched.feed({f"inputs.{c}": noise(10 + i, 60, moved[c]) for i, c in enumerate("abcd")}))
    assert {f.evidence.column for f in found} == {"inputs.a", "inputs.c"}


def test_the_first_week_is_silent_the_second_has_half_the_budget(player: Make) -> None:
    watched = player()
    assert watched.feed({"inputs.x": noise(1, WEEK // 2) + noise(2, 300, 6.0) + noise(3, WEEK // 2 - 320)}) == []
    assert watched.states == ["collecting"]
    watched = player()
    watched.feed({"inputs.x": noise(1, WEEK + 30)})
    (row,) = watched.watcher.describe()["references"]
    assert (row["state"], row["share"]) == ("watching", pytest.approx(0.5, abs=0.02))
    watched.feed({"inputs.x": noise(4, WEEK)})
    (row,) = watched.watcher.describe()["references"]
    assert (row["state"], row["share"]) == ("watching", 1.0)
    assert "collected" not in row


def test_a_shift_is_found_after_a_rearm_and_after_a_new_reference(player: Make) -> None:
    watched = armed(player)
    assert shifts(watched.feed({"inputs.x": noise(2, 100, 2.0)}))
    assert watched.states == ["latched"]
    watched.watcher.apply(Mark("rearm", watched.now))
    assert watched.states == ["watching"]
    assert shifts(watched.feed({"inputs.x": noise(3, 100, 4.0)}))
    watched.watcher.apply(Mark("reference", watched.now))
    assert watched.states == []
    assert watched.feed({"inputs.x": noise(4, 2 * WEEK, 4.0)}) == []
    assert shifts(watched.feed({"inputs.x": noise(5, 100, 0.0)}))


def test_what_stands_after_a_day_is_not_told_again_and_a_further_change_is(player: Make) -> None:
    watched = armed(player)
    assert len(shifts(watched.feed({"inputs.x": noise(2, WEEK, 3.0)}))) == 1
    (row,) = watched.watcher.describe()["references"]
    assert row["state"] == "watching"
    assert row["mean"] == pytest.approx(0, abs=0.05)  # the reference is a person's to change
    assert shifts(watched.feed({"inputs.x": noise(3, 150, 7.0)}))


def test_frozen_finds_nothing_and_pays_nothing_out(player: Make) -> None:
    watched = armed(player)
    watched.watcher.apply(Mark("freeze", watched.now))
    assert watched.feed({"inputs.x": noise(2, 300, 5.0)}) == []
    watched.watcher.apply(Mark("unfreeze", watched.now))
    assert watched.feed({"inputs.x": noise(3, 300)}) == []
    assert watched.feed({"inputs.x": noise(4, 100, 3.0)})


@pytest.mark.parametrize("cuts", [7, 64, 333, 6000])
def test_cuts_and_reloads_change_no_bit(player: Make, cuts: int) -> None:
    rng = np.random.default_rng(5)
    n = 2 * WEEK + 900
    columns = {f"inputs.{c}": rng.normal(0, 1, n) for c in "ab"}
    columns["inputs.b"][WEEK + 400 :] += 2.0
    columns["inputs.a"][n - 300 :] += 2.0
    told = {path: [MISSING if rng.random() < 0.03 else float(v) for v in values] for path, values in columns.items()}
    whole, pieces = player(), player()
    expected = whole.feed(told, cuts=1000)
    assert len(shifts(expected)) >= 2
    assert pieces.feed(told, cuts=cuts, reload=cuts > 60) == expected
    assert pieces.digest() == whole.digest()


def test_findings_do_not_depend_on_a_strictly_increasing_transform(player: Make) -> None:
    rng = np.random.default_rng(6)
    values = rng.normal(0, 1, 2 * WEEK + 100)
    values[2 * WEEK :] += 1.2
    rows = []
    for bend in (lambda v: v, lambda v: 5 + 1e-3 * v, lambda v: v**3 + v):
        watched = player()
        found = watched.feed({"inputs.x": bend(values[: 2 * WEEK]).tolist()})
        watched.arm()
        found += watched.feed({"inputs.x": bend(values[2 * WEEK :]).tolist()})
        rows.append([f.evidence.at for f in shifts(found)])
    assert rows[0] == rows[1] == rows[2]
    assert len(rows[0]) == 1


def test_bad_values_never_poison(player: Make) -> None:
    watched = armed(player)
    garbage = [math.nan, math.inf, -math.inf, None, MISSING, "", "x", [], {}, 10**400]
    values: list[Any] = noise(2, 600)
    for i in range(0, 600, 3):
        values[i] = garbage[i // 3 % len(garbage)]
    assert watched.feed({"inputs.x": values}) == []
    json.dumps(watched.watcher.describe(), allow_nan=False)
    assert shifts(watched.feed({"inputs.x": noise(3, 100, 2.0)}))


def test_high_rates_are_ranked_in_blocks(player: Make) -> None:
    watched = player(step=10.0)  # 60,480 a week
    watched.feed({"inputs.x": noise(1, 3 * 8640)}, cuts=5000)
    watched.arm()
    (row,) = watched.watcher.describe()["references"]
    assert "blocks" in row["chosen"]
    assert watched.feed({"inputs.x": noise(2, 8640, 0.05)}, cuts=5000) == []
    found = watched.feed({"inputs.x": noise(3, 8640 // 2, 1.0)}, cuts=5000)
    assert shifts(found)[0].evidence.at - (START + 4 * 86400) < 3600


def test_state_is_small_once_armed_and_another_format_is_refused(player: Make) -> None:
    watched = armed(player)
    saved = watched.watcher.save()
    assert len(state.dump(saved["entries"]["entries"])) + len(state.dump(saved["pool"])) <= 2048
    with pytest.raises(StateError):
        watched.fresh().load(saved | {"v": 99})
    with pytest.raises(StateError):
        watched.fresh().load(saved | {"pool": {"keys": [], "recursion": {}}})


def test_a_reference_that_cannot_be_held_to_the_budget_is_refused_in_a_sentence(player: Make) -> None:
    watched = player()
    watched.feed({"inputs.x": [5.0] * 3000, "inputs.y": noise(1, 3000)})
    watched.arm()
    rows = {row["column"]: row for row in watched.watcher.describe()["references"]}
    assert rows["inputs.y"]["state"] == "watching"
    assert rows["inputs.x"]["state"] == "refused"
    assert rows["inputs.x"]["refused"].endswith(".")


def test_describe_says_what_was_chosen_and_what_it_can_find(player: Make) -> None:
    watched = player()
    day = np.sin(2 * np.pi * np.arange(2 * WEEK) / 288)
    watched.feed({"inputs.x": (2 * day + np.array(noise(1, 2 * WEEK))).tolist()})
    watched.arm()
    (row,) = watched.watcher.describe()["references"]
    assert "a daily season" in row["chosen"]
    assert 0 < row["finds"]["2 sd"] < row["finds"]["1 sd"] < 100
    json.dumps(watched.watcher.describe(), allow_nan=False)


def rule_of(name: str, kind: Any = "shift", **more: Any) -> Rule:
    detect = Detect(kind, ("inputs.*",), budget=more.pop("budget", True), method=more.pop("method", None))
    return Rule("pack", name, detect, "high", Position("p", 1, 1), **more)


def test_rules_of_a_pack_share_its_budget() -> None:
    a, b, raw, shadow = rule_of("A"), rule_of("B"), rule_of("C", budget=False), rule_of("D", stage="shadow")
    assert page_budget(a, [a], 2.0) == 2.0
    assert page_budget(a, [a, b, raw, shadow], 1.0) == 0.5
    assert page_budget(shadow, [a, b, raw, shadow], 1.0) == pytest.approx(1 / 3)


def test_kinds_share_the_budget_equally_and_then_their_rules() -> None:
    rules = [rule_of("S"), rule_of("T"), rule_of("H", "harm"), rule_of("A", "anomaly"), rule_of("O", "outlier")]
    rules += [rule_of("Q", "quality"), rule_of("R", "harm", budget=False), rule_of("W", "anomaly", method="loda")]
    got = {rule.name: page_budget(rule, rules, 1.0) for rule in rules[:5]}
    assert got == {"S": 1 / 8, "T": 1 / 8, "H": 1 / 4, "A": 1 / 8, "O": 1 / 4}
    assert page_budget(rules[-1], rules, 1.0) == 1 / 8


def test_a_changed_budget_reaches_a_watcher_that_is_kept(player: Make) -> None:
    watched = armed(player)
    watched.watcher.allow(0.25)
    assert watched.watcher.describe()["budget"].startswith("0.25 false pages a week")
    watched.reload()
    assert shifts(watched.feed({"inputs.x": noise(2, 100, 2.0)}))


@pytest.mark.parametrize("cuts", [1000, 1])
def test_a_page_is_of_the_series_that_has_moved_though_another_one_tips_the_sum(player: Make, cuts: int) -> None:
    watched = player(Detect("shift", ("inputs.*",)))
    watched.columns.configure({name: ColumnSetting("number") for name in ("inputs.a", "inputs.b")})
    rng = np.random.default_rng(1)
    watched.feed({name: rng.normal(0, 1, 2 * WEEK).tolist() for name in ("inputs.a", "inputs.b")})
    watched.arm()
    for value in rng.normal(1.5, 1, 100).tolist():
        watched.feed({"inputs.b": [value]})
        now = watched.watcher.describe()["references"][1]["now"]
        if now > 0.1:
            break
    assert 0.1 < now < 1
    watched.watcher.allow(1.2 / now)  # by a budget that is larger from now on, that is enough for a page
    (found,) = watched.feed({"inputs.a": [0.0, MISSING], "inputs.b": [MISSING, 0.0]}, cuts=cuts)
    assert (found.evidence.column, found.evidence.at) == ("inputs.b", watched.now - 2 * watched.step)
    assert found.evidence.value > 1
    assert watched.states == ["watching", "latched"]


def test_a_series_of_which_slow_changes_are_refused_pages_for_none_however_long_it_stands(player: Make) -> None:
    watched = armed(player)
    (entry,) = watched.watcher._entries.entries.values()
    entry.armed = replace(entry.armed, height=SILENT)
    watched.watcher.allow(1.0)
    assert shifts(watched.feed({"inputs.x": noise(3, 6 * WEEK, 1.5)})) == []
