"""`overloop rules replay` and `rules suggest`, as they are typed."""

from __future__ import annotations

import gzip
import json
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from live_daemon import LiveDaemon

Overloop = Callable[..., Any]
T0 = 1_790_000_000.0
CHANGED = """pack: shop
models: ["shop-*"]
rules:
- alert: NegativeAmounts
  count: {of: inputs.amount < 0, above: 1000, over: 10m}
  severity: high
"""


def printed(done: Any) -> str:
    assert done.exit_code == 0, done.output
    return str(done.stdout)


def events(path: Path) -> Path:
    rows = [
        {"id": str(i), "model": "shop-x", "at": T0 + 10 * i, "inputs": {"amount": -5 if 50 <= i < 60 else 20}}
        for i in range(200)
    ]
    data = "\n".join(map(json.dumps, rows)).encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def test_a_file_of_events_is_replayed_in_words_in_json_and_in_a_picture(
    overloop: Overloop, daemon: LiveDaemon, tmp_path: Path
) -> None:
    file, drawn = events(tmp_path / "events.ndjson.gz"), tmp_path / "replay.svg"
    words = ["rules", "replay", "--from", file, "--rules", daemon.home.parent / "packs" / "shop"]
    text = printed(overloop(*words, "--picture", drawn))
    assert text.startswith("Replayed 200 events of ")
    assert "times real time" in text
    assert "shop/NegativeAmounts on shop-x would have fired 1 time." in text
    assert ET.parse(drawn).getroot().tag.endswith("svg")
    plain = json.loads(printed(overloop(*words, "-o", "json")))
    found = next(r for r in plain["rules"] if (r["rule"], r["model"]) == ("shop/NegativeAmounts", "shop-x"))
    assert found["fired"] == 1
    assert plain["events"] == 200


def test_recorded_traffic_is_replayed_beside_the_daemon_and_held_against_verdicts(
    at: Overloop, daemon: LiveDaemon, fresh: str, fresh_model: str, tmp_path: Path
) -> None:
    assert at("incident", "verdict", fresh, "real").exit_code == 0
    words = ["rules", "replay", "--since", "1d", "--model", fresh_model, "-o", "json"]
    for folder, matched in ((daemon.home.parent / "packs" / "shop", 1), (tmp_path / "shop", 0)):
        if not folder.exists():
            folder.mkdir()
            (folder / "pack.yaml").write_text(CHANGED)
        plain = json.loads(printed(at(*words, "--rules", folder)))
        (found,) = [r for r in plain["rules"] if r["rule"] == "shop/NegativeAmounts"]
        assert (len(found["real"]["matched"]), len(found["real"]["missed"])) == (matched, 1 - matched)
        assert found["fired"] == matched
    assert found["nearest"]["ratio"] == pytest.approx(5 / 1000, rel=0.01)
    daemon.settled()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ([], 2, "Give one of --since DURATION and --from FILE."),
        (["--since", "soon"], 2, "--since"),
        (["--since", "1d", "--model", "nobody"], 1, "There is no event of nobody recorded in"),
        (["--from", "nowhere.ndjson"], 1, "nowhere.ndjson cannot be read"),
        (["--since", "1d", "--rules", "nowhere"], 1, "There is no such folder"),
    ],
)
def test_what_cannot_be_replayed_is_said(at: Overloop, words: list[str], code: int, said: str) -> None:
    done = at("rules", "replay", *words)
    assert done.exit_code == code, done.output
    assert said in done.stderr


def test_a_home_that_is_not_there_is_said(overloop: Overloop, tmp_path: Path) -> None:
    for command in (["replay", "--since", "1d"], ["suggest"]):
        done = overloop("rules", *command, OVERLOOP_HOME=str(tmp_path / "none"))
        assert done.exit_code == 3, done.output
        assert "set OVERLOOP_HOME or --home" in done.stderr


def test_nothing_is_suggested_where_nothing_was_judged(at: Overloop) -> None:
    words = ["rules", "suggest", "--model", "shop-eu"]
    text = printed(at(*words))
    assert "base/InputShift has not been armed on shop-eu yet." in text
    assert text.rstrip().endswith("Nothing has to be changed.")
    plain = json.loads(printed(at(*words, "-o", "json")))
    assert {row["rule"] for row in plain} >= {"base/InputShift"}
    assert all(row["proposed"] == {"tolerance": None, "budget": None} for row in plain)
