"""The engine's word to the front: believed while it is fresh and its sender lives."""

from __future__ import annotations

import json
import os
from pathlib import Path

from monitor.app import word
from monitor.runtime.pace import boottime


def test_a_fresh_word_of_a_living_process_is_believed(tmp_path: Path) -> None:
    assert word.last(tmp_path) == {"ready": False}
    word.leave(tmp_path, {"ready": True, "pid": os.getpid(), "turns": 3})
    assert word.last(tmp_path) == {"ready": True, "pid": os.getpid(), "turns": 3}
    word.leave(tmp_path, {"ready": False, "pid": os.getpid()})
    assert not word.last(tmp_path)["ready"]


def test_the_word_of_a_dead_process_or_an_old_one_is_not(tmp_path: Path) -> None:
    word.leave(tmp_path, {"ready": True, "pid": 2**22 + 1})
    assert not word.last(tmp_path)["ready"]
    for at in (boottime() - 60.0, boottime() + 60.0):  # long ago; or before this machine was started
        (tmp_path / "engine.json").write_text(json.dumps({"ready": True, "pid": os.getpid(), "boottime": at}))
        assert not word.last(tmp_path)["ready"]


def test_half_a_word_is_none_and_a_full_disk_stops_nobody(tmp_path: Path) -> None:
    (tmp_path / "engine.json").write_text('{"ready": tr')
    assert word.last(tmp_path) == {"ready": False}
    word.leave(tmp_path / "nowhere", {"ready": True})


def test_several_engines_speak_as_the_one_that_is_furthest_behind(tmp_path: Path) -> None:
    here = {"ready": True, "pid": os.getpid()}
    word.leave(tmp_path, {**here, "turns": 3, "began": 5.0, "waiting": "events", "losses": ["A."], "seq": 4})
    assert not word.last(tmp_path, 2)["ready"]
    word.leave(tmp_path, {**here, "turns": 2, "began": 7.0, "waiting": "ledger", "losses": ["B."], "seq": 9}, 1)
    said = word.last(tmp_path, 2)
    assert said["ready"] and (said["turns"], said["began"], said["seq"]) == (2, 5.0, 9)
    assert said["losses"] == ["A.", "B."] and word.hindered(said) == "ledger"
    assert [one["waiting"] for one in said["engines"]] == ["events", "ledger"]
    word.leave(tmp_path, {**here, "pid": 2**22 + 1}, 1)
    assert not word.last(tmp_path, 2)["ready"] and word.last(tmp_path)["ready"]
    word.forget(tmp_path)
    assert not list(tmp_path.iterdir())
