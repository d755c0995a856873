"""A machine that misbehaves around the daemon: clock, folders, disk, locks, ports, and files people got wrong.

The list of items these tests answer is in `test_bad_input.py`.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import sqlite3
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from e2e_story import events
from live_daemon import LiveDaemon, wait_until
from services import missing, program

PACK = Path(__file__).with_name("pack")
GOOD = """pack: small
models: ["small"]
rules:
- alert: Negative
  count: {of: inputs.amount < 0, above: 3, over: 10m}
  severity: medium
"""
BAD = {
    "a tab": (GOOD.replace("  severity: medium", "\tseverity: medium"), 6, "tab"),
    "a share unquoted": (
        GOOD.replace("count: {of: inputs.amount < 0, above: 3, over: 10m}", "share: > 5%"),
        5,
        "share",
    ),
}
_ids = itertools.count()


def negative(daemon: LiveDaemon, model: str = "small") -> dict[str, Any]:
    """Events that trip the rule Negative, and its incident."""
    daemon.send(events(model, 5, lambda k: {"inputs": {"amount": -1}}, f"n{next(_ids)}"))
    return daemon.incident("Negative", model)


def one(model: str = "small") -> bytes:
    return json.dumps({"id": f"one{next(_ids)}", "model": model, "inputs": {"amount": 1}}).encode()


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rules")
    (folder / "small").mkdir()
    (folder / "small" / "pack.yaml").write_text(GOOD)
    return folder


@pytest.fixture(scope="module")
def sturdy(rules: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveDaemon]:
    """A daemon whose only receiver has a typo in its URL."""
    home = tmp_path_factory.mktemp("sturdy") / "home"
    daemon = LiveDaemon(home, [rules], {"OVERLOOP_NOTIFY": "jsn://planted-user:planted-pass@127.0.0.1:1/planted"})
    yield daemon.start()
    assert daemon.stop() == 0, daemon.log()


# -- the clock ----------------------------------------------------------------------------------------------------


# libfaketime does this too, but breaks the sleep of Python 3.11 as soon as the offset is not 0.
WALL = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

static int64_t *offset;

__attribute__((constructor)) static void open_offset(void) {
    void *page = mmap(NULL, sizeof *offset, PROT_READ, MAP_SHARED, open(getenv("WALL_OFFSET"), O_RDONLY), 0);
    if (page != MAP_FAILED) offset = page;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int answer = real(clock, now);
    if (clock == CLOCK_REALTIME && offset) now->tv_sec += *offset;
    return answer;
}
"""


class Wall:
    """A wall clock that goes by an offset in a file; every other clock stays as it is."""

    def __init__(self, folder: Path) -> None:
        self._offset, library = folder / "offset", folder / "wall.so"
        self._offset.write_bytes(struct.pack("q", 0))
        command = [program("cc", "gcc"), "-shared", "-fPIC", "-x", "c", "-o", str(library), "-", "-ldl"]
        subprocess.run(command, input=WALL.encode(), check=True)
        self.environ = {"LD_PRELOAD": str(library), "WALL_OFFSET": str(self._offset)}

    def jump(self, seconds: int) -> None:
        with self._offset.open("r+b") as file:
            file.write(struct.pack("q", seconds))


@pytest.fixture(scope="module")
def wall(tmp_path_factory: pytest.TempPathFactory) -> Wall:
    return Wall(tmp_path_factory.mktemp("wall"))


@pytest.fixture(scope="module")
def timed(wall: Wall, rules: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveDaemon]:
    """A daemon that lives by that wall clock."""
    daemon = LiveDaemon(tmp_path_factory.mktemp("timed") / "home", [rules], wall.environ).start()
    yield daemon
    assert daemon.stop() == 0, daemon.log()


def test_daemon_time_does_not_follow_a_clock_that_jumps_back_a_day(timed: LiveDaemon, wall: Wall) -> None:
    timed.send(events("before", 3, lambda k: {"inputs": {"amount": 1}}))
    family, before = timed.family(), timed.settled()
    seen = timed.get("/v1/models/before").json["last_seen"]
    wall.jump(-86_400)
    incident = negative(timed)
    assert incident["opened_at"] > seen, "daemon time went on"
    assert timed.post(f"/v1/incidents/{incident['id']}/acknowledge", {}).json["acknowledged_at"] > seen
    assert timed.get("/-/engine").json["at"] > seen and timed.ready()
    assert timed.settled()["observed"] == before["observed"] + 5
    assert timed.family() == family, timed.log()


# -- the home and the disk ----------------------------------------------------------------------------------------


def test_a_home_folder_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    home = tmp_path / "closed"
    home.mkdir()
    home.chmod(0)
    # Root may read everything: the two capabilities that allow it are taken away.
    before = [program("setpriv"), "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
    code, said = LiveDaemon(home, before=before).run_to_end()
    assert code == 3 and said.count("\n") == 1, said
    assert str(home) in said and "Permission denied" in said and "--home or OVERLOOP_HOME" in said


@pytest.fixture(scope="module")
def small_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A disk of 160 MB."""
    disk = tmp_path_factory.mktemp("disk")
    command = ["mount", "-t", "tmpfs", "-o", "size=160m", "tmpfs", str(disk)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        missing("the right to mount a small disk")
    yield disk
    subprocess.run(["umount", disk], check=True)


@pytest.fixture(scope="module")
def on_small_disk(small_disk: Path, rules: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveDaemon]:
    log = tmp_path_factory.mktemp("disk-log") / "daemon.log"
    daemon = LiveDaemon(small_disk / "home", [rules], log=log).start()
    yield daemon
    assert daemon.stop() == 0, daemon.log()


def fill(disk: Path, leave: int) -> Path:
    """Take all room of a disk but `leave` bytes."""
    file = disk / f"filler-{next(_ids)}"
    with file.open("wb") as stream:
        room = os.statvfs(disk)
        if (size := room.f_bavail * room.f_frsize - leave) > 0:
            os.posix_fallocate(stream.fileno(), 0, size)
    return file


def test_a_nearly_full_disk_refuses_posts_and_lets_people_act(on_small_disk: LiveDaemon, small_disk: Path) -> None:
    daemon = on_small_disk
    incident, family, before = negative(daemon), daemon.family(), daemon.settled()
    filler = fill(small_disk, 10 << 20)
    refused = daemon.post("/v1/events", one())
    assert refused.status == 503 and int(refused.headers["retry-after"]) > 0
    for words in (str(small_disk), "less than 64 MB free", "free some space", "Nothing of this post was kept"):
        assert words in refused.detail
    unready = daemon.get("/-/ready", token="")
    assert unready.status == 503 and "less than 64 MB free" in unready.detail
    assert daemon.get("/-/healthy", token="").status == 200
    taken = daemon.post(f"/v1/incidents/{incident['id']}/acknowledge", {"note": "the disk is nearly full"})
    assert taken.status == 200 and taken.json["state"] == "acknowledged"
    after = daemon.accounting()
    assert after["accepted"] == before["accepted"] and after["refused"] == before["refused"] + 1

    filler.unlink()
    wait_until(lambda: daemon.post("/v1/events", one()).status == 202, "posts are taken again", 10.0)
    wait_until(daemon.ready, "it is ready again", 10.0)
    assert daemon.settled()["observed"] > before["observed"] and daemon.family() == family


def test_a_disk_without_one_free_byte(on_small_disk: LiveDaemon, small_disk: Path) -> None:
    """Not even the engine's small files can be written: it waits, and people are told why."""
    daemon = on_small_disk
    incident, family, before = negative(daemon), daemon.family(), daemon.settled()
    act = f"/v1/incidents/{incident['id']}/note"
    fillers = [fill(small_disk, 0)]
    assert daemon.post("/v1/events", one()).status == 503
    answers = [daemon.post(act, {"note": "x" * 3000}) for _ in range(3)]
    refused = [answer for answer in answers if answer.status != 200]
    assert all(answer.status == 503 and "disk is full" in answer.detail for answer in refused), refused
    fillers.append(fill(small_disk, 0))  # what was kept back for the ledger is used up, too
    word = daemon.home / "run" / "engine.json"
    wait_until(lambda: time.time() - word.stat().st_mtime > 3.0, "the engine has tried to write and could not")

    for filler in fillers:
        filler.unlink()
    wait_until(lambda: daemon.post("/v1/events", one()).status == 202, "posts are taken again", 10.0)
    wait_until(daemon.ready, "it is ready again", 20.0)
    assert daemon.post(act, {"note": "there is room again"}).status == 200
    assert daemon.settled()["observed"] > before["observed"]
    assert daemon.family() == family, daemon.log()
    assert daemon.cli("audit", "verify").returncode == 0


# -- locks and ports ----------------------------------------------------------------------------------------------


def test_a_locked_ledger_stops_people_with_a_sentence_and_loses_nothing(sturdy: LiveDaemon) -> None:
    incident, family, before = negative(sturdy), sturdy.family(), sturdy.settled()
    act = f"/v1/incidents/{incident['id']}/note"
    other = sqlite3.connect(sturdy.home / "ledger.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        assert sturdy.post("/v1/events", one()).status == 202, "taking events in does not need the ledger"
        answer = sturdy.post(act, {"note": "while it is locked"})
        assert answer.status == 503 and int(answer.headers["retry-after"]) > 0
        assert "ledger" in answer.detail and "locked" in answer.detail
        assert sturdy.accounting()["accepted"] == before["accepted"] + 1 and sturdy.ready()
    finally:
        other.execute("ROLLBACK")
        other.close()
    assert sturdy.settled()["observed"] == before["observed"] + 1
    assert wait_until(lambda: sturdy.post(act, {"note": "afterwards"}).status == 200, "people can act again")
    assert sturdy.family() == family and sturdy.ready()


def test_a_port_in_use_is_named(sturdy: LiveDaemon, tmp_path: Path) -> None:
    second = LiveDaemon(tmp_path / "home")
    second.command[second.command.index("--listen") + 1] = f"127.0.0.1:{sturdy.port}"
    code, said = second.run_to_end()
    assert code == 3 and said.count("\n") == 1, said
    assert f"127.0.0.1:{sturdy.port}" in said and "Address already in use" in said and "--listen" in said
    assert sturdy.ready()


# -- what people got wrong ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(BAD))
def test_rules_that_cannot_be_read_refuse_the_start(tmp_path: Path, name: str) -> None:
    text, row, word = BAD[name]
    (tmp_path / "small").mkdir()
    (tmp_path / "small" / "pack.yaml").write_text(text)
    code, said = LiveDaemon(tmp_path / "home", [tmp_path / "small"]).run_to_end()
    assert code == 3 and "The rules cannot be used" in said and "Traceback" not in said, said
    shows(said, row, word)


def shows(said: str, row: int, word: str) -> None:
    """File, line, the line itself with a caret, and what to write instead."""
    assert f"small/pack.yaml:{row}:" in said and word in said and "^" in said
    assert len(said.split("^")[-1].strip()) > 10, "how to put it right"


@pytest.mark.parametrize("name", sorted(BAD))
def test_a_bad_reload_keeps_the_old_rules(sturdy: LiveDaemon, rules: Path, name: str) -> None:
    text, row, word = BAD[name]
    file = rules / "small" / "pack.yaml"
    book = sturdy.post("/-/reload").json["book"]
    file.write_text(text)
    try:
        refused = sturdy.post("/-/reload")
        assert refused.status == 422 and "the old ones stay in force" in refused.detail
        shows("\n".join(refused.json["problems"]), row, word)
        log = len(sturdy.log())
        sturdy.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "reload_refused" in sturdy.log()[log:], "SIGHUP is answered in the log")
        shows(sturdy.log()[log:], row, word)
    finally:
        file.write_text(GOOD)
    assert sturdy.post("/-/reload").json["book"] == book
    assert negative(sturdy)["rule"] == "Negative" and sturdy.ready()


def test_a_receiver_with_a_typo_is_named_without_its_secrets(sturdy: LiveDaemon) -> None:
    wait_until(lambda: "receiver_unusable" in sturdy.log(), "the log says so at the start")
    told = next(json.loads(row) for row in sturdy.log().splitlines() if "receiver_unusable" in row)
    assert '"notify"' in told["event"] and '"jsn://"' in told["event"] and 'did you mean "json://"' in told["event"]
    incident = negative(sturdy)

    told = wait_until(lambda: sturdy.get(f"/v1/incidents/{incident['id']}").json["notices"], "a message is owed", 20.0)
    assert {notice["target"] for notice in told} == {"notify"}
    assert "delivered" not in {notice["state"] for notice in told}
    tried = sturdy.cli("receivers", "test", "notify")
    assert tried.returncode != 0 and 'did you mean "json://"' in tried.stdout + tried.stderr
    shown = sturdy.log() + tried.stdout + tried.stderr + sturdy.get(f"/v1/incidents/{incident['id']}").body.decode()
    assert "planted" not in shown


def test_a_clock_that_jumped_is_told_with_what_to_do(timed: LiveDaemon) -> None:
    """Last, because it takes its time: nothing else needs to know at once."""
    wait_until(lambda: '"clock_jump"' in timed.log(), "the jump is told", 45.0)
    told = next(json.loads(row) for row in timed.log().splitlines() if '"clock_jump"' in row)
    assert "The wall clock is -86400 s away from daemon time" in told["event"]
    assert "overloop clock accept" in told["event"]
    assert timed.ready()
