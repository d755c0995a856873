"""The report of `make survival` shows what held, what did not, and what was not run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import survival_report
from survival import keep

HELD: dict[str, Any] = {"point": "before claim", "answer": "500", "twice": 1, "problems": []}
IMAGES = {"images": 300, "syncs": 150, "daemons": 20, "problems": []}
SOAK = {
    "seconds": 15.0,
    "kills": {"engine": 2, "front": 1},
    "events": 90,
    "pages": 12,
    "duplicates per page": {"0": 11, "1": 1},
    "problems": [],
}


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OVERLOOP_SURVIVAL_RESULTS", str(tmp_path))
    keep("kill", "before claim 500", HELD)
    keep("order", "fsync", {"promises": 94, "problems": []})
    keep("images", "fsync", IMAGES)
    keep("soak", "seed 1", SOAK)
    return tmp_path


def test_what_held_stands_in_tables_on_the_page(results: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    assert survival_report.main(results, page) == 0
    text = page.read_text()
    assert "| before claim | not run | held +1 | not run | not run | not run | not run |" in text
    assert "1 of 1 held; 1 messages were taken once more than needed." in text
    assert "- 300 disks, as of each of 150 syncs," in text and "94 promises" in text
    assert "| 15 | 3 (engine 2, front 1) | 90 | 12 | 11 with 0, 1 with 1 | held |" in text


def test_what_did_not_hold_is_named_and_is_the_exit_code(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep("kill", "after claim 200", {**HELD, "point": "after claim", "answer": "200", "problems": ["It is gone."]})
    assert survival_report.main(results, None) == 1
    said = capsys.readouterr().out
    assert "kill after claim 200: It is gone." in said and "| after claim | **failed** |" in said
    assert json.loads((results / "summary.json").read_text())["failed"] == ["kill after claim 200: It is gone."]
