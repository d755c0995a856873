"""Children that are forked: they end as their work does, hold only what they are given, and are told apart by ps."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

SCRIPT = """
import os, signal, sys, time
from monitor.app.forked import fork
{0}
"""


def run(script: str) -> str:
    """In a process of its own: this one has threads."""
    done = subprocess.run([sys.executable, "-c", SCRIPT.format(script)], capture_output=True, text=True, check=True)
    return done.stdout


@pytest.mark.parametrize(
    ("work", "code"), [("lambda: 7", 7), ("lambda: sys.exit(3)", 3), ("lambda: 1 / 0", 1), ("sys.exit", 0)]
)
def test_the_code_of_a_child_is_what_its_work_answers(work: str, code: int) -> None:
    assert run(f"print(fork({work}, 'x', []).wait(20.0))") == f"{code}\n"


def test_a_child_holds_only_the_files_it_is_given() -> None:
    script = """
kept, lost = os.pipe()
child = fork(lambda: print(*sorted(map(int, os.listdir("/proc/self/fd")))[:-1], kept, lost) or 0, "x", [kept])
child.wait(20.0)
"""
    *held, kept, lost = map(int, run(script).split())
    assert held == [0, 1, 2, kept] and lost not in held


def test_signals_end_a_child_and_ps_tells_what_it_is() -> None:
    script = """
child = fork(lambda: time.sleep(60) or 0, "engine", [])
words = []
while words[-2:] != ["child", "engine"]:
    words = open(f"/proc/{child.pid}/cmdline").read().split("\\0")[:-1]
    time.sleep(0.01)
child.terminate()
print(child.wait(20.0), child.poll())
"""
    assert run(script) == f"{-signal.SIGTERM} {-signal.SIGTERM}\n"


NO_ROOM = """
import os, signal
from monitor.app import forked
def refuse():
    raise BlockingIOError(11, "Resource temporarily unavailable")
os.fork = refuse
try:
    forked.fork(lambda: 0, "x", [])
except OSError:
    print(len(signal.pthread_sigmask(signal.SIG_BLOCK, [])))
"""


def test_a_fork_for_which_there_is_no_room_leaves_no_signal_blocked() -> None:
    done = subprocess.run([sys.executable, "-c", NO_ROOM], capture_output=True, text=True, check=True)
    assert done.stdout == "0\n"
