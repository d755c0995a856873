"""Evidence in words: what it is held against, and how far it is from that."""

from __future__ import annotations

from typing import Any

import pytest

from monitor.web.pieces import piece

EMPTY: dict[str, Any] = {"detail": "", "effect": None, "interval": None}


@pytest.mark.parametrize(
    ("given", "seen", "against", "how_far"),
    [
        (("share of a", 0.335, 0.05), "33.5%", "limit 5%", "6.7 times the limit"),
        (("rate()", 2.0, 8.0), "2", "limit 8", "25% of the limit"),
        (("rate()", 2.0, 0.0), "2", "limit 0", "–"),
        (("mean(a)", -2.0, 8.0), "-2", "limit 8", "–"),
        (("mean(a)", None, 8.0), "–", "limit 8", "–"),
        (("seconds without events", 734.0, 600.0), "12.2 minutes", "limit 10 minutes", "1.22 times the limit"),
        (("mean(a) against the previous version", 0.5, 0.4), "0.5", "before 0.4", "25% more than before"),
        (("mean(a) against the previous version", 0.3, 0.4), "0.3", "before 0.4", "25% less than before"),
        (("share of broken cells", 0.4, 0.0), "40%", "before 0%", "–"),
    ],
)
def test_a_level_is_told_by_its_limit_or_by_what_was_before(given: Any, seen: str, against: str, how_far: str) -> None:
    told = piece({**EMPTY, **dict(zip(("statistic", "value", "expected"), given, strict=True))}, None)
    assert (told["seen"], f"{told['standard']} {told['against']}", told["how_far"]) == (seen, against, how_far)


@pytest.mark.parametrize(
    ("given", "how_far"),
    [
        ({"statistic": "adwin on the mean"}, "2 standard deviations; difference 0.1 to 0.25"),
        ({"statistic": "adwin on the share"}, "2 standard deviations; difference 10% to 25%"),
        ({"statistic": "shift: e-detector"}, "2 standard deviations; 0.1 to 0.25"),
        ({"statistic": "value", "interval": None}, "2 standard deviations"),
        ({"statistic": "value", "interval": [None, 1.0], "effect": None}, "–"),
    ],
)
def test_what_a_detector_found_is_told_in_standard_deviations(given: dict[str, Any], how_far: str) -> None:
    base = {"value": 0.5, "expected": 0.3, "effect": 2.0, "interval": [0.1, 0.25], "detail": "It moved."}
    told = piece({**base, **given}, None)
    assert (told["standard"], told["how_far"]) == ("expected", how_far)
