from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core import state
from monitor.core.detectors.descriptors import DISTANCE, TEXT, _folded, _projected, describe_text
from monitor.core.rules.model import ColumnSetting

Make = Callable[..., Any]
WORDS = ["the", "loan", "was", "paid", "back", "on", "time", "and", "the", "account", "stays", "open", "for", "now"]


def texts(seed: int, n: int, more: str = "") -> list[str]:
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(WORDS, rng.integers(8, 30))) + more for _ in range(n)]


@pytest.mark.parametrize(
    ("what", "text", "value"),
    [
        ("length", "abc", 3.0),
        ("words", "one two, three", 3.0),
        ("non-ASCII share", "aä", 0.5),
        ("repetition", "no no no no", 0.75),
        ("repetition", "", 0.0),
        ("refusal", "I'm sorry, but I cannot help with that.", 1.0),
        ("refusal", "Here is the list.", 0.0),
        ("personal data", "write to jo@example.org", 1.0),
        ("personal data", "card 4111 1111 1111 1111", 1.0),
        ("personal data", "room 12 at 14:30", 0.0),
    ],
)
def test_what_is_measured_of_a_text(what: str, text: str, value: float) -> None:
    assert dict(zip(TEXT, describe_text(text), strict=True))[what] == value


def test_projections_depend_on_the_vector_alone_and_bad_ones_are_none() -> None:
    assert _projected([3.0, 4.0])[0] == 5.0
    assert _projected([1, 2, 3]) == _projected([1.0, 2.0, 3.0])
    for bad in (None, [], "x", [None], ["a"], [[1.0]], [math.inf], [1e308, 1e308], [10**400]):
        assert all(map(math.isnan, _projected(bad)))


def test_answers_that_become_refusals_are_found(player: Make) -> None:
    watched = player(step=1800.0)
    watched.columns.configure({"inputs.t": ColumnSetting("text")})
    watched.feed({"inputs.t": texts(1, 330)})
    watched.arm()
    assert watched.feed({"inputs.t": texts(2, 40)}) == []
    found = watched.feed(
        {"inputs.t": texts(3, 60, " I am sorry, I cannot help you with this request at all today" * 2)}
    )
    assert {"inputs.t: length", "inputs.t: words"} & {f.evidence.column for f in found}


def test_vectors_that_move_are_found(player: Make) -> None:
    def vectors(seed: int, n: int, level: float = 0.0) -> list[list[float]]:
        return (np.random.default_rng(seed).normal(0, 1, (n, 16)) + level).tolist()  # type: ignore[no-any-return]

    watched = player(step=1800.0)
    watched.columns.configure({"inputs.v": ColumnSetting("vector")})
    watched.feed({"inputs.v": vectors(1, 330)})
    watched.arm()
    assert watched.feed({"inputs.v": vectors(2, 40)}) == []
    found = watched.feed({"inputs.v": vectors(3, 60, 2.0)})
    assert found
    assert all(f.evidence.column.startswith("inputs.v: ") for f in found)


TELLING = "iI cantnowm'@.123 ()-+ABDEde89\u00e9\u0130\u0131\u017f\u212a"


@given(st.text(TELLING, max_size=40) | st.text(max_size=40))
def test_what_is_skipped_for_speed_would_have_found_nothing(text: str) -> None:
    """The same measures, each by its whole expression."""
    words = re.findall(r"\w+", text.lower())
    refusal = (
        r"\b(i (?:can(?:no|')t|am (?:not able|unable)|'m (?:not able|unable|sorry)|won't)|as an ai|i must decline)\b"
    )
    personal = r"[\w.+-]{1,64}@[\w-]{1,64}\.\w{2,10}|\+?\d[\d ()-]{8,16}\d|\b[A-Z]{2}\d{2}[A-Z0-9]{10,30}\b"
    assert describe_text(text) == (
        len(text),
        len(re.findall(r"\w+", text)),
        sum(c > "\x7f" for c in text) / max(len(text), 1),
        1 - len(set(words)) / len(words) if words else 0.0,
        re.search(refusal, text, re.I) is not None,
        re.search(personal, text) is not None,
    )


def directions(seed: int, n: int, size: int = 16, spread: float = 1.0) -> list[list[float]]:
    """Vectors around a centre that no projection knows of."""
    centre = np.random.default_rng(0).normal(0, 1, size)
    return (centre + spread * np.random.default_rng(seed).normal(0, 1, (n, size))).tolist()  # type: ignore[no-any-return]


def test_the_distance_of_a_vector_is_from_the_mean_of_the_first_day(player: Make) -> None:
    watched = player(step=1800.0)
    watched.columns.configure({"inputs.v": ColumnSetting("vector")})
    first = directions(1, 120)
    watched.feed({"inputs.v": first})
    name = f"inputs.v: {DISTANCE}"
    (entry,) = [e for key, e in watched.watcher._entries.entries.items() if key[2] == name]
    assert entry.centre[:16] == pytest.approx(np.mean(first[:100], axis=0), rel=1e-6)  # 48 a day, of at least 100
    expected = [math.dist(v, entry.centre[:16]) for v in first[100:]]
    assert entry.collector.points.value == pytest.approx(expected, rel=1e-12)


def test_vectors_that_scatter_wider_are_found_by_their_distance(player: Make) -> None:
    watched = player(step=1800.0)
    watched.columns.configure({"inputs.v": ColumnSetting("vector")})
    watched.feed({"inputs.v": directions(1, 14 * 48 + 4, 300)}, cuts=41)
    rows = {row["column"]: row for row in watched.watcher.describe()["references"]}
    assert rows[f"inputs.v: {DISTANCE}"]["share"] == 1.0  # the day of the centre counts
    assert watched.feed({"inputs.v": directions(2, 48, 300)}) == []
    found = watched.feed({"inputs.v": directions(3, 60, 300, 1.5)})
    assert f"inputs.v: {DISTANCE}" in {f.evidence.column for f in found}
    (entry,) = [e for key, e in watched.watcher._entries.entries.items() if key[2].endswith(DISTANCE)]
    assert len(state.dump(entry.save())) < 2000


@pytest.mark.parametrize("cuts", [1, 13])
def test_where_vectors_are_cut_and_restarts_change_no_bit(player: Make, cuts: int) -> None:
    def play(size: int, reload: bool) -> str:
        watched = player(step=3600.0)
        watched.columns.configure({"inputs.v": ColumnSetting("vector")})
        watched.feed(
            {"inputs.v": [*directions(1, 60), None, "x", [math.inf], [1e308, 1.0], *directions(2, 60)]},
            size,
            reload=reload,
        )
        watched.feed({"inputs.v": directions(3, 80)}, size, reload=reload)
        return watched.digest()  # type: ignore[no-any-return]

    assert play(cuts, True) == play(1000, False)


def test_folding_keeps_distances_about() -> None:
    rng = np.random.default_rng(1)
    ratios = []
    for _ in range(200):
        a, b = rng.normal(0, 1, (2, 768))
        ratios.append(np.linalg.norm(_folded(a.tolist()) - _folded(b.tolist())) / np.linalg.norm(a - b))
    assert abs(np.mean(ratios) - 1) < 0.03
    assert np.std(ratios) < 0.12
