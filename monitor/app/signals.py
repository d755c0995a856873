"""What ends a process from outside, and what it was doing if it does not end."""

from __future__ import annotations

import _thread
import faulthandler
import signal
import threading

DUMP = signal.SIGUSR2  # has a child write to its standard error where each of its threads is


def stop_on_signals(stop: threading.Event) -> None:
    """Have SIGTERM and SIGINT set `stop`.

    A handler runs wherever the main thread happens to be, also between taking and giving back the lock of this event
    when it waits for it; to set it there would wait for that lock for ever. So another thread sets it.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: _thread.start_new_thread(stop.set, ()))


def dump_on_signal() -> None:
    """Have `DUMP` write a stack of every thread: names of files and functions, and nothing they hold."""
    faulthandler.register(DUMP, all_threads=True)
