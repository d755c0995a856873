"""Durability order, from the system calls of the real daemon: nobody hears of anything before the disk has it.

A SIGKILL would not show it, since the system keeps what a dead process wrote; a power cut does not.
"""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from daemon_process import Daemon, until
from disk_image import Disk
from hook_target import HookTarget
from kill_matrix import audit_code, ids_in
from opening import broken, opened
from power_cut import Moment, Promise, Traced, moments, promises, replay
from services import program
from survival import ALL, SEED, keep
from system_calls import Call

TOML = '[receivers.hook]\ntype = "webhook"\nurl_env = "HOOK"\n[notices]\ngroup_wait = "0s"\n'
ROLLING = "[spool]\nretain_days = 0.0002\n"  # so that files of the spool end: each holds two seconds
POSTS = 90 if ALL else 40
STARTED = 20 if ALL else 1  # images on which a whole daemon is started


@dataclass(frozen=True, slots=True)
class Recorded:
    """One daemon's life: every call, everything promised, and the home as it was left."""

    calls: list[Call]
    promises: list[Promise]
    home: Path
    rules: Path


def events(first: int, count: int, confidence: float) -> list[dict[str, object]]:
    return [{"id": f"e{i}", "model": "m", "output": {"confidence": confidence}} for i in range(first, first + count)]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    strace, folder = program("strace"), tmp_path_factory.mktemp("traced")
    with HookTarget(folder / "target.jsonl") as target:
        daemon = Daemon(folder, toml=TOML + ROLLING, environ={"HOOK": target.url})
        try:
            traced = Traced(daemon, strace)
            began = time.monotonic()
            good = [events(100 + 4 * i, 1 + i % 4, 0.9) for i in range(POSTS)]
            traced.post_at_once(good[: POSTS // 2], clients=3)
            traced.post_at_once([events(0, 5, 0.1)], clients=1)
            incident = daemon.incident()["id"]
            until(target.taken, "nobody is told")
            traced.acknowledge(incident)
            until(lambda: time.monotonic() - began > 3.0, "a file of the spool is not old enough")
            traced.post_at_once(good[POSTS // 2 :], clients=3)
            assert traced.stop() == 0
        finally:
            daemon.end()
        calls = traced.calls()
        yield Recorded(calls, promises(calls, traced.asked, daemon.port, target.port), daemon.home, daemon.rules)


def in_the_spool(disk: Disk, into: Path) -> set[str]:
    disk.image(into)
    return set(ids_in(into / "spool"))


def in_the_ledger(disk: Disk, into: Path) -> dict[str, str]:
    """The state of each notice by its key, and of each incident by its id; nothing if there are no tables yet."""
    disk.image(into)
    with closing(sqlite3.connect(into / "ledger.db")) as ledger, suppress(sqlite3.OperationalError):
        states = ledger.execute("SELECT key, state FROM notices UNION ALL SELECT id, state FROM incidents").fetchall()
        return dict(states)
    return {}


def signed(home: Path) -> bool:
    """Whether the ledger has a head of the audit log that was signed."""
    with closing(sqlite3.connect(home / "ledger.db")) as ledger, suppress(sqlite3.OperationalError):
        return bool(ledger.execute("SELECT count(*) FROM checkpoints WHERE note IS NOT NULL").fetchone()[0])
    return False


def out_of_order(root: Path, calls: Sequence[Call], made: Sequence[Promise], into: Path) -> list[str]:
    """Promises that were made before the disk had what they are about."""
    said: list[str] = []
    by_line = {promise.line: promise for promise in made}
    for line, disk in replay(root, calls, list(by_line)):
        promise = by_line[line]
        if promise.kind == "events" and not set(promise.what) <= in_the_spool(disk, into / str(line)):
            said.append(f"The 202 of line {line} came before the sync of {promise.what}.")
        if promise.kind == "page" and in_the_ledger(disk, into / str(line)).get(promise.what[0]) != "sending":
            said.append(f"The first byte in line {line} went out before the ledger had its claim.")
        if promise.kind == "acknowledged":
            state = in_the_ledger(disk, into / str(line)).get(promise.what[0])
            said += [] if state == "acknowledged" else [f"Line {line} said acknowledged, the ledger says {state}."]
    return said


@pytest.mark.slow
def test_before_any_answer_and_any_page_the_disk_has_it(recorded: Recorded, tmp_path: Path) -> None:
    kinds = [promise.kind for promise in recorded.promises]
    assert (kinds.count("events"), kinds.count("acknowledged")) == (POSTS + 1, 1) and kinds.count("page") >= 1
    said = out_of_order(recorded.home, recorded.calls, recorded.promises, tmp_path)
    keep("order", "fsync", {"promises": len(kinds), "problems": said})
    assert not said


@pytest.mark.slow
@pytest.mark.parametrize("file", ["spool", "ledger.db"])
def test_a_daemon_that_leaves_syncs_out_would_be_found_out(recorded: Recorded, tmp_path: Path, file: str) -> None:
    lazy = [call for call in recorded.calls if "sync" not in call.name or f"/home/{file}" not in call.where]
    assert len(lazy) < len(recorded.calls)
    said = out_of_order(recorded.home, lazy, recorded.promises, tmp_path)
    assert len(said) > (POSTS * 0.9 if file == "spool" else 1)


@pytest.mark.slow
def test_a_key_is_safe_before_the_ledger_has_anything_signed_with_it(recorded: Recorded, tmp_path: Path) -> None:
    seen = 0
    for moment in moments(recorded.home, recorded.calls, recorded.promises):
        home = tmp_path / str(moment.line)
        moment.cut(home)
        if signed(home):
            seen += 1
            assert [(home / name).stat().st_size > 0 for name in ("audit.key", "audit.vkey")] == [True, True]
    assert seen > 0


@pytest.mark.slow
def test_the_rebuilt_disk_is_the_one_that_the_daemon_left(recorded: Recorded) -> None:
    ((_, disk),) = replay(recorded.home, recorded.calls, [recorded.calls[-1].ended + 10**9])
    left = {str(path): path.read_bytes() for path in recorded.home.rglob("*") if path.is_file()}
    ours = {path: content for path, content in left.items() if disk.is_ours(path)}
    assert {path: disk.names[path].whole for path in disk.names} == ours and len(ours) > 5


@pytest.mark.slow
def test_after_a_power_cut_at_any_sync_nothing_promised_is_missing(recorded: Recorded, tmp_path: Path) -> None:
    said: list[str] = []
    cuts = 0
    number = sum(1 for _ in moments(recorded.home, recorded.calls, recorded.promises))
    wanted = set(range(number)) if ALL else set(random.Random(SEED).sample(range(number), 12))
    full = set(random.Random(SEED).sample(sorted(wanted), STARTED))
    for n, moment in enumerate(moments(recorded.home, recorded.calls, recorded.promises)):
        for kept, seed in (("nothing", None), ("half", SEED)) if n in wanted else ():
            home = tmp_path / f"{n}-{kept}" / "home"
            moment.cut(home, seed)
            said += [f"{kept} kept at line {moment.line}: {each}" for each in survived(home, recorded.rules, moment)]
            cuts += 1
        if n in full:
            home = tmp_path / f"{n}-daemon" / "home"
            moment.cut(home, SEED)
            said += [f"daemon at line {moment.line}: {each}" for each in started(home, recorded.rules, moment)]
    keep("images", "fsync", {"images": cuts, "daemons": len(full), "syncs": number, "problems": said})
    assert not said, f"with seed {SEED}: " + "\n".join(said)
    assert not ALL or cuts >= 200


def survived(home: Path, rules: Path, moment: Moment) -> list[str]:
    """What the daemon's own opening code misses in an image."""
    try:
        return broken(opened(home, rules), moment.owed)
    except Exception as problem:
        return [f"It cannot be opened: {problem!r}."]


def started(home: Path, rules: Path, moment: Moment) -> list[str]:
    """The same by a whole daemon."""
    with HookTarget(home.parent / "target.jsonl") as target:
        daemon = Daemon(home.parent, toml=TOML, environ={"HOOK": target.url})
        daemon.rules = rules
        try:
            daemon.start("--single")
            until(lambda: daemon.accounting()["waiting"] == 0, "events wait")
            found, incidents = daemon.accounting(), daemon.incidents()
            assert daemon.stop() == 0
        finally:
            daemon.end()
        kept = ids_in(home / "spool")
        said = [f"{p.what} is gone." for p in moment.owed if p.kind == "events" and not set(p.what) <= set(kept)]
        said += [
            f"{p.what} is gone." for p in moment.owed if p.kind == "acknowledged" and p.what[0] not in str(incidents)
        ]
        if not found["accepted"] == found["observed"] == len(kept) == len(set(kept)):
            said.append(f"The accounting is {found} with {len(kept)} events in the spool.")
        return [*said, *(["`audit verify` fails."] if audit_code(daemon) else [])]
