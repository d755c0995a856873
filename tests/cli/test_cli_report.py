"""`overloop report oversight` as it is typed, beside a running daemon."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Protocol

import pytest
from typer.testing import Result


class Overloop(Protocol):
    def __call__(self, *words: object) -> Result: ...


def test_the_report_is_json_whose_hash_is_in_the_audit_log(at: Overloop, tmp_path: Path) -> None:
    assert at("override", "add", "shop-eu", "a-7", "not_use", "--reason", "wrong currency").exit_code == 0
    done = at("report", "oversight", "--model", "shop-eu", "--period", "30d", "-o", "json")
    made = json.loads(done.stdout)
    assert made["model"] == "shop-eu" and [one["number"] for one in made["sections"]] == list(range(1, 12))
    by_id = {one["id"]: one for one in made["sections"]}
    assert by_id["integrity"]["status"] == "evidence present"
    assert by_id["actions"]["rows"][0] == {"reason": "wrong currency", "answers": 1}
    assert any(rule["rule"] == "shop/NegativeAmounts" for rule in by_id["plan"]["rows"])
    (newest,) = json.loads(at("audit", "list", "--kind", "export", "--limit", 1, "-o", "json").stdout)["entries"]
    assert newest["body"]["sha256"] == sha256(done.stdout.encode()).hexdigest()
    assert newest["body"]["model"] == "shop-eu"


def test_the_report_is_a_page_to_print(at: Overloop, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    done = at("report", "oversight", "--model", "shop-eu", "--out", file)
    assert done.exit_code == 0 and "SHA-256" in done.stdout
    text = file.read_text()
    assert "Oversight of shop-eu" in text and "EU AI Act" in text and "<script" not in text
    assert "http://" not in text and "src=" not in text, "nothing is fetched"


@pytest.mark.parametrize(
    ("period", "why"),
    [
        ("soon", "--period"),
        ("2026-01-02T00:00:00Z/2026-01-01T00:00:00Z", "is not before"),
        ("2026-01-01/2026-02-01T00:00:00Z", "has no zone"),
    ],
)
def test_a_period_that_is_none_is_refused(at: Overloop, period: str, why: str) -> None:
    done = at("report", "oversight", "--model", "shop-eu", "--period", period)
    assert done.exit_code == 2 and why in done.stderr


def test_a_model_nobody_knows_has_a_report_that_says_so(at: Overloop) -> None:
    made = json.loads(at("report", "oversight", "--model", "nobody", "-o", "json").stdout)
    coverage = next(one for one in made["sections"] if one["id"] == "coverage")
    assert coverage["status"] == "absent" and "No event of nobody" in coverage["says"][0]


def test_a_home_without_a_ledger_has_none(overloop: Overloop, tmp_path: Path) -> None:
    assert overloop("--home", tmp_path / "none", "report", "oversight", "--model", "m").exit_code == 3
