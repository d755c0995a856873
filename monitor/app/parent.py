"""`overloop run`: one process that keeps two children alive and speaks for them to systemd."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import Any

import structlog

from monitor.notify_socket import Notifier

log = structlog.get_logger("parent")

ROLES = ("engine", "front")
HUNG = 60.0  # seconds without a beat after which a child is replaced
GRACE = 20.0  # seconds a child has to stop by itself


@dataclass(slots=True)
class Child:
    """One child as its parent sees it."""

    role: str
    process: subprocess.Popen[bytes]
    lifeline: int  # we hold the writing end; the child dies when it closes
    told: int  # the child's words come here
    ready: bool = False
    beat_at: float = field(default_factory=time.monotonic)
    rest: bytes = b""


class Parent:
    """Starts the children, restarts the one that ends, stops both. `run` returns the exit code."""

    def __init__(self, settings: dict[str, Any], listener: socket.socket, lock: int) -> None:
        self.settings, self.listener = settings, listener
        self.lock = lock  # children hold the home's lock too: nobody else may have it before they are gone
        self.notifier = Notifier()
        self.children: dict[str, Child] = {}
        self.selector = selectors.DefaultSelector()
        self.stopping = False
        self.announced = False
        self._failures: dict[str, list[float]] = {role: [] for role in ROLES}

    def run(self) -> int:
        wake_read, wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake_write)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, self._on_signal)
        self.selector.register(wake_read, selectors.EVENT_READ, None)
        for role in ROLES:
            self._spawn(role)
        while not self.stopping:
            self._listen(timeout=1.0)
            self._mend()
            self._report()
        return self._stop()

    # -- children -----------------------------------------------------------------------------------------------

    def _spawn(self, role: str) -> None:
        line_read, line_write = os.pipe2(os.O_CLOEXEC)
        told_read, told_write = os.pipe2(os.O_CLOEXEC)
        passed = [line_read, told_write, self.lock, *([self.listener.fileno()] if role == "front" else [])]
        told = {"parent": os.getpid(), "line": line_read, "tell": told_write, "settings": self.settings}
        told["socket"] = self.listener.fileno()
        environment = {**os.environ, "_OVERLOOP_CHILD": json.dumps(told)}
        environment.pop("NOTIFY_SOCKET", None)  # only the parent speaks to systemd
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-m", "monitor.app.child", role],
            env=environment,
            pass_fds=passed,
            stdin=subprocess.DEVNULL,
        )
        os.close(line_read)
        os.close(told_write)
        os.set_blocking(told_read, False)
        self.children[role] = child = Child(role, process, line_write, told_read)
        self.selector.register(told_read, selectors.EVENT_READ, child)

    def _bury(self, child: Child) -> None:
        self.selector.unregister(child.told)
        os.close(child.told)
        os.close(child.lifeline)

    def _mend(self) -> None:
        """Replace a child that ended, or that has not made progress for too long."""
        for role, child in list(self.children.items()):
            if child.process.poll() is None and time.monotonic() - child.beat_at > HUNG:
                log.error(
                    f"The {role} made no progress for {HUNG:.0f} s and is replaced.", action="child_hung", role=role
                )
                child.process.kill()
                child.process.wait()
            if child.process.poll() is not None:
                self._bury(child)
                code = child.process.returncode
                log.error(f"The {role} ended with code {code}; it is started again.", action="child_ended", role=role)
                self._pause(role)
                self._spawn(role)

    def _pause(self, role: str) -> None:
        """A child that keeps ending is started at most once a second."""
        now = time.monotonic()
        recent = self._failures[role] = [t for t in self._failures[role] if now - t < 10.0] + [now]
        if len(recent) > 2:
            time.sleep(1.0)

    # -- words --------------------------------------------------------------------------------------------------

    def _listen(self, timeout: float) -> None:
        for key, _ in self.selector.select(timeout):
            with contextlib.suppress(BlockingIOError):
                data = os.read(key.fd, 4096)
                if key.data is None:
                    continue
                child: Child = key.data
                *words, child.rest = (child.rest + data).split(b"\n")
                for word in words:
                    child.beat_at = time.monotonic()
                    child.ready = child.ready or word == b"ready"
                if not data:
                    time.sleep(0.05)  # ended: `_mend` sees it as soon as the kernel tells

    def _report(self) -> None:
        ready = all(child.ready for child in self.children.values())
        if ready and not self.announced:
            self.announced = True
            self.notifier.ready("watching")
        interval = self.notifier.watchdog_interval
        if interval is not None and self.announced:
            oldest = min(child.beat_at for child in self.children.values())
            if time.monotonic() - oldest < interval:
                self.notifier.watchdog()

    def _on_signal(self, number: int, _: object) -> None:
        if number in (signal.SIGTERM, signal.SIGINT):
            self.stopping = True
        elif number == signal.SIGHUP and "front" in self.children:
            self.children["front"].process.send_signal(signal.SIGHUP)

    def _stop(self) -> int:
        """The front first, so that nothing more is accepted; then the engine, which writes its snapshots."""
        self.notifier.stopping()
        code = 0
        for role in reversed(ROLES):
            child = self.children[role]
            child.process.terminate()
            try:
                child.process.wait(GRACE)
            except subprocess.TimeoutExpired:
                log.error(
                    f"The {role} did not stop within {GRACE:.0f} s and was killed.", action="child_killed", role=role
                )
                child.process.kill()
                child.process.wait()
                code = 1
        return code
