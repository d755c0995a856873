"""Being asked to end, at the worst moment; and what a process was doing that does not end."""

from __future__ import annotations

import subprocess
import sys

WAITS = """
import os, signal, sys, threading
from monitor.app.signals import stop_on_signals
stop = threading.Event()
stop_on_signals(stop)
with stop._cond:  # where the main thread is for a moment whenever it waits
    os.kill(os.getpid(), signal.SIGTERM)
    for _ in range(100):
        pass
sys.exit(0 if stop.wait(30) else 1)
"""
STUCK = """
import os
from monitor.app.signals import DUMP, dump_on_signal
def stuck_here():
    os.kill(os.getpid(), DUMP)
dump_on_signal()
stuck_here()
"""


def test_a_signal_while_the_event_is_locked_by_the_main_thread_ends_the_process() -> None:
    assert subprocess.run([sys.executable, "-c", WAITS], timeout=60, check=False).returncode == 0


def test_a_process_says_where_its_threads_are() -> None:
    done = subprocess.run([sys.executable, "-c", STUCK], timeout=60, capture_output=True, text=True, check=True)
    assert "stuck_here" in done.stderr
