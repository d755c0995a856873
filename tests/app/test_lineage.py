"""Children end with their parent, however it ends."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from daemon_process import ROOT, alive, until

from monitor.app.child import Line
from monitor.app.lineage import lives

# A parent with one child that ties itself to it: by the kernel's signal, or by the pipe alone.
FAMILY = """
import ctypes, os, sys, time
from monitor.app import lineage
read, write = os.pipe()
parent, child = os.getpid(), os.fork()
if child == 0:
    os.close(write)
    lineage.die_with_parent(parent, read)
    if sys.argv[1] == "pipe":
        ctypes.CDLL(None).prctl(1, 0, 0, 0, 0)  # as if the kernel had no such signal
    os.write(1, b"tied\\n")
    time.sleep(60)
print(child, flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("by", ["signal", "pipe"])
def test_a_child_does_not_outlive_a_parent_that_is_killed(by: str) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", FAMILY, by],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert parent.stdout is not None
    said = {parent.stdout.readline().strip(), parent.stdout.readline().strip()}
    (child,) = said - {"tied"}
    assert alive(int(child))
    parent.kill()
    parent.wait()
    until(lambda: not alive(int(child)), "the child lives on", seconds=5.0)
    parent.stdout.close()


def test_a_child_whose_parent_was_gone_before_it_could_be_tied_ends_at_once() -> None:
    script = "import os; from monitor.app.lineage import die_with_parent; die_with_parent(1234567, os.pipe()[0])"
    done = subprocess.run([sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=30)
    assert done.returncode == 1


def test_a_process_that_waits_to_be_buried_does_not_live() -> None:
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    assert lives(os.getpid())
    until(lambda: not lives(child.pid), "it still counts as alive")  # it has ended, and nobody has waited for it
    child.wait()
    assert not lives(child.pid)


def test_a_parent_that_stands_still_stops_no_child() -> None:
    read, write = os.pipe()
    line = Line(write)
    for _ in range(20_000):
        line.say("beat")  # far more than a pipe holds
    assert os.read(read, 5) == b"beat\n"
    os.close(read)
    os.close(write)
