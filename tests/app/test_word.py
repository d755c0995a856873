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
