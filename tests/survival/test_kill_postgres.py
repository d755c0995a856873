"""The rows of the kill matrix that are about the ledger, with the ledger on PostgreSQL."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import ledger_life
import pytest
from hook_target import ANSWERS, HookTarget
from kill_matrix import Pipe
from survival import SEED, drawn, keep

from monitor.killpoints import AT, PIPE, POINTS

OF_THE_LEDGER = ("observe", "ledger commit", "claim", "socket write", "outcome commit", "migration")
CELLS = [(point, answer) for point in POINTS for answer in ANSWERS if point.partition(" ")[2] in OF_THE_LEDGER]
CHOSEN = drawn(CELLS)
EXPECTED = {
    "accepted": 45,
    "observed": 45,
    "notices": [["delivered", "opened"]],
    "incidents": [["Low", "m", "open"]],
    "audit": 0,
}


def life(folder: Path, ledger: str, hook: str, wheel: Path, **die: str) -> subprocess.CompletedProcess[str]:
    folder.mkdir(exist_ok=True)
    environ = {**os.environ, "PYTHONPATH": str(wheel), **die}
    command = [sys.executable, ledger_life.__file__, str(folder), ledger, hook]
    return subprocess.run(command, env=environ, cwd=folder, capture_output=True, text=True, check=False, timeout=120)


def sums(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """What a life that ended well printed, or how another ended."""
    if done.returncode != 0:
        return {"code": done.returncode, "said": done.stderr[-2000:]}
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.slow
@pytest.mark.postgres
def test_an_undisturbed_life_on_postgres_comes_out_as_expected(postgres_url: str, tmp_path: Path, wheel: Path) -> None:
    with HookTarget(tmp_path / "target.jsonl") as target:
        assert sums(life(tmp_path / "home", postgres_url, target.url, wheel)) == EXPECTED
        assert [request["about"] for request in target.requests()] == [["Low on m"]]


@pytest.mark.slow
@pytest.mark.postgres
@pytest.mark.parametrize(("point", "answer"), CHOSEN, ids=[f"{p}-{a}-seed{SEED}" for p, a in CHOSEN])
def test_a_death_with_the_ledger_on_postgres_loses_nothing_and_the_page_is_told(
    postgres_url: str, tmp_path: Path, wheel: Path, point: str, answer: str
) -> None:
    pipe = Pipe(tmp_path / "pipe")
    with HookTarget(tmp_path / "target.jsonl", answer) as target:
        pipe.arm()
        dead = life(tmp_path / "home", postgres_url, target.url, wheel, **{AT: point, PIPE: str(pipe.path)})
        died = dead.returncode, pipe.told()
        found = sums(life(tmp_path / "home", postgres_url, target.url, wheel))
        taken, requests = target.taken(), len(target.requests())
    held = {
        f"It ended with {died}: {dead.stderr[-2000:]}": died == (-signal.SIGKILL, point),
        f"It comes out as {found}.": found == EXPECTED,
        f"The receiver took {dict(taken)}.": len(taken) == 1 and taken.total() <= 2 <= requests + 1,
    }
    said = [sentence for sentence, holds in held.items() if not holds]
    result = {"point": point, "answer": answer, "twice": taken.total() - 1, **found, "problems": said}
    keep("postgres", f"{point} {answer}", result)
    assert not said
