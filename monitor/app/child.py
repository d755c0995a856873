"""A child of `overloop run`: a process of its own that was forked, as the front or as an engine."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import structlog

if TYPE_CHECKING:
    from monitor.settings import Settings


WAKE = 0.2  # seconds between looks at whether to stop, while others work
LONGEST = 10_000  # characters of a refusal: it must fit into a pipe
REFUSED = 4  # exit code of an engine that cannot prepare the home; it has told why


class Line:
    """What a child tells its parent: an engine `prepared` or why not, then both `ready`, and `beat` on their way."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        os.set_blocking(descriptor, False)

    def say(self, word: str) -> None:
        try:
            os.write(self._descriptor, f"{word}\n".encode())
        except BlockingIOError:
            pass  # the parent stands still; it will find enough to read
        except OSError:
            os._exit(1)  # it is gone


def main(role: str, instructions: dict[str, Any]) -> int:
    """What it does all its life: returns its exit code."""
    from monitor.app.lineage import die_with_parent
    from monitor.app.signals import dump_on_signal, stop_on_signals

    os.environ.pop("NOTIFY_SOCKET", None)  # only the parent speaks to systemd
    go, stop = threading.Event(), threading.Event()
    die_with_parent(instructions["parent"], instructions["line"], told=go.set)
    dump_on_signal()
    stop_on_signals(stop)
    return _run(role, instructions, Line(instructions["tell"]), go, stop)


def _run(role: str, instructions: dict[str, Any], line: Line, go: threading.Event, stop: threading.Event) -> int:
    """What the machine refuses is a sentence in the log; only mistakes of the program end with a trace.

    What a role needs is loaded before it waits for its turn: the engine prepares the home meanwhile.
    """
    from monitor.app.hiding import redactor
    from monitor.clock import ClockError
    from monitor.settings import Settings
    from monitor.spool import SpoolError
    from monitor.store.errors import LedgerUnavailable
    from monitor.telemetry.logs import configure_logging

    settings = Settings.from_json(instructions["settings"])
    configure_logging(settings.log.format, settings.log.level, redactor(settings, os.environ))
    work = _role(role)
    if instructions["prepare"] and not _prepared(settings, line):
        return REFUSED
    while instructions["wait"] and not go.wait(WAKE):
        if stop.is_set():
            return 0
    try:
        return work(settings, instructions, line, stop)
    except (ClockError, SpoolError, LedgerUnavailable) as problem:
        structlog.get_logger(role).error(str(problem), action="cannot_start")
        return 1


def _prepared(settings: Settings, line: Line) -> bool:
    """Prepare the home, or tell the parent why that cannot be."""
    from monitor.app.errors import StartError
    from monitor.app.home import Home
    from monitor.app.prepare import prepare

    try:
        prepare(Home(settings.home), settings)
    except StartError as refused:
        line.say(f"refused {json.dumps(str(refused)[:LONGEST])}")
        return False
    line.say("prepared")
    return True


def _role(role: str) -> Callable[[Settings, dict[str, Any], Line, threading.Event], int]:
    if role == "front":  # each side loads only what it needs: the front never loads River
        from monitor.app.front import run

        return run
    from monitor.app.engine import run

    return run
