"""`overloop reference`: what is fitted here is watched by there, and every version can be looked at and put back."""

from __future__ import annotations

import csv
import gzip
import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from live_daemon import LiveDaemon

Overloop = Callable[..., Any]
DAY = 86_400.0
PACK = """pack: normal
models: ["fit-*"]
rules:
- alert: Shift
  detect: {shift: "inputs.*"}
  severity: high
- alert: Worse
  detect: {harm: output.label != truth.label}
  severity: low
  stage: shadow
"""


@pytest.fixture(scope="module", autouse=True)
def rules(daemon: LiveDaemon) -> Iterator[None]:
    """One pack more for the daemon, while these tests run."""
    folder = daemon.home.parent / "packs" / "normal"
    folder.mkdir()
    (folder / "pack.yaml").write_text(PACK)
    daemon.post("/-/reload")
    yield
    shutil.rmtree(folder)
    daemon.post("/-/reload")


def training(path: Path, model: str, n: int = 4032, shuffled: bool = False) -> Path:
    """Two weeks of events, five minutes apart, a year ago."""
    at = time.time() - 365 * DAY + np.arange(n) * 300.0
    values = np.random.default_rng(1).normal(20, 2, n)
    order = np.random.default_rng(2).permutation(n) if shuffled else np.arange(n)
    rows = (
        json.dumps({"id": f"t-{i}", "model": model, "at": at[i], "inputs": {"amount": values[i], "same": 1.0}})
        for i in order.tolist()
    )
    data = "\n".join(rows).encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def printed(done: Any) -> str:
    assert done.exit_code == 0, done.output
    return str(done.stdout)


def test_a_new_model_is_fitted_shown_found_out_and_put_back(at: Overloop, daemon: LiveDaemon, tmp_path: Path) -> None:
    file = training(tmp_path / "train.ndjson.gz", "fit-new")
    done = printed(at("reference", "fit", "--model", "fit-new", "--from", file, "--reason", "as trained"))
    assert "inputs.amount is watched. Reference of 4,032 points over 1" in done
    assert "inputs.same is refused. The reference holds one value only" in done
    assert "A shift of 2 standard deviations takes about" in done
    assert "Version 1 is the new normal of fit-new: 1 series, fitted to 4,032 events." in done
    shown = printed(at("reference", "show", "fit-new"))
    assert shown.startswith("Version 1 of fit-new, for normal/Shift: admin,")
    assert "normal/Shift: tolerance 0.05, 1 false page a week" in shown
    assert "inputs.same is refused." in shown
    daemon.send({"id": f"n-{k}", "model": "fit-new", "inputs": {"amount": 20 + k % 3, "same": 1}} for k in range(70))
    daemon.send({"id": f"m-{k}", "model": "fit-new", "inputs": {"amount": 2000, "same": 1}} for k in range(3))
    daemon.settled()
    assert "watches by version 1" in printed(
        at("rules", "explain", "normal/Shift", "--model", "fit-new", "--rules", daemon.home.parent / "packs")
    )
    again = ["reference", "rollback", "fit-new", "--to", 1, "--reason", "again", "--expires", "2d", "-o", "json"]
    made = json.loads(printed(at(*again)))
    assert (made["version"], made["source"]["rolled_back_to"]) == (2, 1)
    assert made["expires_at"] is not None
    listed = printed(at("reference", "list", "--model", "fit-new")).splitlines()
    assert len(listed) == 3 and "again" in listed[1] and "as trained" in listed[2]


def test_the_order_of_training_data_does_not_matter(at: Overloop, tmp_path: Path) -> None:
    told = []
    for shuffled in (False, True):
        file = training(tmp_path / f"{shuffled}.ndjson", "fit-order", shuffled=shuffled)
        done = at("reference", "fit", "--model", "fit-order", "--from", file, "--reason", "x", "--dry-run")
        told.append(printed(done))
    assert told[0] == told[1]
    assert at("reference", "show", "fit-order").exit_code == 1, "a dry run changes nothing"


def test_a_table_without_times_says_how_many_a_day(at: Overloop, tmp_path: Path) -> None:
    file = tmp_path / "train.csv"
    with file.open("w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["amount", "prediction"])
        rows.writerows([f"{v:.3f}", "yes"] for v in np.random.default_rng(3).normal(5, 1, 3000))
    words = ["reference", "fit", "--model", "fit-table", "--from", file, "--reason", "x"]
    refused = at(*words)
    assert refused.exit_code == 1
    assert "3,000 lines were left out; the first: train.csv line 2 says no time" in refused.stderr
    done = json.loads(printed(at(*words, "--per-day", 200, "-o", "json")))
    assert done["source"] == {"fitted": "file", "events": 3000, "file": "train.csv", "per_day": 200.0}
    (rule,) = done["fitted"]
    assert "Reference of 3,000 points over 14.99 days" in rule["series"][0]["sentences"][0]


def test_recorded_traffic_is_data_too(at: Overloop, daemon: LiveDaemon) -> None:
    now = time.time()
    daemon.send(
        {"id": f"s-{k}", "model": "fit-spool", "inputs": {"amount": 20 + k * 37 % 11}, "at": now - 1e5 + k * 300}
        for k in range(330)
    )
    daemon.settled()
    words = ["reference", "fit", "--model", "fit-spool", "--since", "2d", "--reason", "x", "-o", "json"]
    done = at(*words)
    assert done.exit_code in (0, 1), done.output
    assert json.loads(done.stdout)["source"]["events"] == 330


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--model", "fit-x", "--reason", "x"], 2, "Give one of --from FILE and --since DURATION."),
        (["--model", "nobody", "--since", "1d", "--reason", "x"], 1, "No rule of nobody takes a reference: "),
        (
            ["--model", "fit-x", "--rule", "normal/Worse", "--since", "1d", "--reason", "x"],
            1,
            "The rule normal/Worse learns by itself: references are given to `shift` rules",
        ),
        (["--model", "fit-x", "--rule", "a/B", "--since", "1d", "--reason", "x"], 1, "No rule a/B watches fit-x: "),
        (["--model", "fit-x", "--since", "1d", "--reason", "x"], 1, "no event of the model fit-x in it"),
        (["--model", "fit-x", "--from", "nowhere.csv", "--reason", "x"], 1, "nowhere.csv cannot be read"),
    ],
)
def test_what_cannot_be_fitted_is_said(at: Overloop, words: list[str], code: int, said: str) -> None:
    done = at("reference", "fit", *words)
    assert done.exit_code == code, done.output
    assert said in done.stderr


def test_only_what_there_is_can_be_shown_and_put_back(at: Overloop) -> None:
    assert at("reference", "show", "nobody").exit_code == 1
    done = at("reference", "rollback", "nobody", "--to", 7, "--reason", "x")
    assert done.exit_code == 1
    assert "nobody has no version 7 of its references" in done.stderr
    assert at("reference", "accept", "--reason", "x").exit_code == 2


def test_a_limit_is_changed_in_the_rules_and_not_accepted_as_normal(at: Overloop, fresh: str) -> None:
    done = at("reference", "accept", "--incident", fresh, "--reason", "x")
    assert done.exit_code == 4
    assert "has a limit that people wrote" in done.stderr
