"""Starting: lock the home, bind the address, prepare, then run the children or one process."""

from __future__ import annotations

import os
import socket
import threading
import time
from typing import TYPE_CHECKING

import msgspec
import structlog

from monitor.app import word
from monitor.app.errors import StartError
from monitor.app.home import Home, lock, make
from monitor.notify_socket import Notifier
from monitor.settings import Settings
from monitor.settings.secrets import addresses, heartbeat_address, hook_keys

if TYPE_CHECKING:
    from monitor.app.engine import Engine

__all__ = ["StartError", "run"]

log = structlog.get_logger("start")

BEAT = 1.0  # seconds between looks at the engine, in one process
SILENT = 30.0  # seconds without a turn of the front's loop after which nobody says that all is well
EXTEND = 60.0  # seconds more that systemd is asked for while the start goes on


def run(settings: Settings) -> int:
    """`overloop run`: returns its exit code. Raises StartError, HomeError, SettingsError."""
    hook_keys(settings, os.environ)
    addresses(settings, os.environ)  # a receiver without an address is told now, not when it is needed
    heartbeat_address(settings, os.environ)
    home = make(settings.home)
    held = lock(home)
    os.set_inheritable(held, True)
    listener = bind(settings)
    settings = as_bound(settings, listener)
    (home.run / "url").write_text(_local_url(settings, listener) + "\n")
    word.forget(home.run)
    if settings.single:
        from monitor.app.prepare import prepare

        prepare(home, settings)
        return single(home, settings, listener)
    from monitor.app.parent import Parent

    return Parent(settings.to_json(), listener, held).run()


def bind(settings: Settings) -> socket.socket:
    """The listening socket. Bound before anything else starts, and kept while a front is replaced."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
        listener.listen(4096)
    except OSError as problem:
        listener.close()
        raise StartError(
            f"The daemon cannot listen on {settings.listen} ({problem.strerror}): stop what listens there, "
            "or give another address with --listen."
        ) from problem
    listener.set_inheritable(True)
    return listener


def as_bound(settings: Settings, listener: socket.socket) -> Settings:
    """With the port that the system gave, where any free one was asked for: links name it."""
    if settings.port != 0:
        return settings
    return msgspec.structs.replace(settings, listen=f"{settings.listen.rpartition(':')[0]}:{listener.getsockname()[1]}")


def _local_url(settings: Settings, listener: socket.socket) -> str:
    """Where commands on this machine find the daemon."""
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "") else settings.host  # noqa: S104
    shown = f"[{host}]" if ":" in host else host
    return f"{'https' if settings.tls_cert else 'http'}://{shown}:{listener.getsockname()[1]}"


def single(home: Home, settings: Settings, listener: socket.socket) -> int:
    """Everything in one process: for tests, small machines and embedding."""
    from monitor.app.engine import Engine
    from monitor.app.front import FrontProcess, serve
    from monitor.app.signals import stop_on_signals
    from monitor.clock import ClockError
    from monitor.spool import SpoolError
    from monitor.store.errors import LedgerUnavailable

    stop = threading.Event()
    stop_on_signals(stop)
    try:
        front, engine = FrontProcess(home, settings, listener), Engine(home, settings)
    except (SpoolError, ClockError, LedgerUnavailable) as problem:
        raise StartError(str(problem)) from problem
    supervisor = Supervisor(engine, stop)
    watching = threading.Thread(target=supervisor.run, name="engine")
    watching.start()
    try:
        serve(front, stop, supervisor.front_says)
    finally:
        stop.set()
        watching.join()
    if engine.failure is not None:
        log.error(engine.failure, action="engine_stops")
    return 0 if engine.failure is None else 1


class Supervisor:
    """What the parent is to two processes: speaks for front and engine when both are well."""

    def __init__(self, engine: Engine, stop: threading.Event) -> None:
        self.engine, self.stop, self.notifier = engine, stop, Notifier()
        self.front_ready = threading.Event()
        self._announced = False
        self._front_at = float("-inf")  # when the front last turned its loop

    def front_says(self, word: str) -> None:
        """Called in the front's event loop."""
        self._front_at = time.monotonic()
        if word == "ready":
            self.front_ready.set()

    def run(self) -> None:
        """In a thread of its own: start the engine, and stop everything when it fails."""
        self.notifier.extend_timeout(EXTEND)
        try:
            self.engine.start()
            while not self.stop.wait(BEAT if self._announced else BEAT / 10) and self.engine.failure is None:
                self._speak(self.engine.beat())
        except Exception as problem:
            self.engine.failure = f"The engine failed with {type(problem).__name__}."
            log.exception("The engine failed.", action="engine_failed")
        self.stop.set()
        self.notifier.stopping()
        self.engine.stop()

    def _speak(self, moved: bool) -> None:
        if self.engine.ready and self.front_ready.is_set() and not self._announced:
            self._announced = True
            self.notifier.ready("watching")
        if moved and self._announced and time.monotonic() - self._front_at < SILENT:
            self.notifier.watchdog()
        elif moved:
            self.notifier.extend_timeout(EXTEND)
