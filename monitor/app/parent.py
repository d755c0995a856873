"""`overloop run`: one process that keeps the front and the engines alive and speaks for them to systemd."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import structlog

from monitor.app.child import main as live
from monitor.app.errors import StartError
from monitor.app.forked import Forked, fork, preload
from monitor.app.signals import DUMP
from monitor.notify_socket import Notifier

log = structlog.get_logger("parent")

FRONT, FIRST = "front", "engine"
HUNG = 60.0  # seconds without a beat after which a child is replaced
GRACE = 20.0  # seconds a child has to stop by itself
AGAIN = 1.0  # seconds after which a child that could not be started is tried again
DUMPED = 0.5  # seconds that a child has to write down what it is doing before it is killed
LOOK = 5.0  # seconds between looks at the children when none of them says anything
EXTEND = 60.0  # seconds more that systemd is asked for while a child says that it works on its start
OFTEN = 10.0  # seconds within which a child may end twice and be started again at once
PAUSE = 1.0  # seconds before it is started again after that


@dataclass(slots=True)
class Child:
    """One child as its parent sees it."""

    role: str
    process: Forked
    lifeline: int  # we hold the writing end; the child dies when it closes
    told: int  # the child's words come here
    ready: bool = False
    silent: bool = False  # it has closed its end
    beat_at: float = field(default_factory=time.monotonic)
    rest: bytes = b""


class Parent:
    """Starts the children, restarts the one that ends or hangs, stops all. `run` returns the exit code.

    The first engine prepares the home; the others load meanwhile what they need, and wait.
    """

    def __init__(
        self, settings: dict[str, Any], listener: socket.socket, lock: int, hung: float = HUNG, grace: float = GRACE
    ) -> None:
        self.settings, self.listener, self.hung, self.grace = settings, listener, hung, grace
        self.roles = {FIRST: 0, **{f"{FIRST}-{k}": k for k in range(1, settings["engines"])}, FRONT: 0}  # -> number
        self.lock = lock  # children hold the home's lock too: nobody else may have it before they are gone
        self.notifier = Notifier()
        self.children: dict[str, Child] = {}
        self.selector = selectors.DefaultSelector()
        self.stopping = False
        self.announced = False
        self.prepared = False
        self._refused = ""  # why the home cannot be prepared
        self._reload = False  # SIGHUP came; the front is told once it can hear
        self._patted = float("-inf")
        self._ends: dict[str, list[float]] = {role: [] for role in self.roles}
        self._due: dict[str, float] = dict.fromkeys(self.roles, 0.0)  # children to be started, and when

    def run(self) -> int:
        wake_read, wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, self._on_signal)
        self.selector.register(wake_read, selectors.EVENT_READ, None)
        self._prepare()
        while not self.stopping:
            self._mend()
            self._report()
            self._listen(PAUSE if self._due else min(LOOK, self.hung / 4))
        return self._stop()

    def _prepare(self) -> None:
        """Start the children and wait until the home is prepared. Raises StartError."""
        self.notifier.extend_timeout(EXTEND)
        preload()
        for role in self.roles:
            del self._due[role]
            self._spawn(role)
        engine, *others = self.children.values()
        while not (self.prepared or self.stopping or engine.silent):
            self._listen(LOOK)
        if self.prepared:
            for child in others:
                with contextlib.suppress(OSError):  # it has ended, and is started again
                    os.write(child.lifeline, b"go\n")
            for child in self.children.values():
                child.beat_at = time.monotonic()
        elif not self.stopping:
            for child in others:
                child.process.kill()
                child.process.wait()
            raise StartError(self._refused or "The home could not be prepared; what was printed before says why.")

    # -- children -----------------------------------------------------------------------------------------------

    def _spawn(self, role: str) -> None:
        line_read, line_write = os.pipe2(os.O_CLOEXEC)
        told_read, told_write = os.pipe2(os.O_CLOEXEC)
        passed = [line_read, told_write, self.lock, *([self.listener.fileno()] if role == FRONT else [])]
        told = {"parent": os.getpid(), "line": line_read, "tell": told_write, "settings": self.settings}
        told["socket"] = self.listener.fileno()
        told |= {"prepare": role == FIRST and not self.prepared, "wait": role != FIRST and not self.prepared}
        told["number"] = self.roles[role]
        try:
            process = fork(partial(live, role, told), role, passed)
        except OSError:
            for descriptor in (line_read, line_write, told_read, told_write):
                os.close(descriptor)
            raise
        os.close(line_read)
        os.close(told_write)
        os.set_blocking(told_read, False)
        self.children[role] = child = Child(role, process, line_write, told_read)
        self.selector.register(told_read, selectors.EVENT_READ, child)

    def _mend(self) -> None:
        """Bury children that ended or hang, and start those that are due."""
        for child in list(self.children.values()):
            if child.process.poll() is None and time.monotonic() - child.beat_at > self.hung:
                sentence = f"The {child.role} made no progress for {self.hung:.0f} s and is replaced."
                log.error(sentence, action="child_hung", role=child.role)
                child.process.kill()
                child.process.wait()
            if child.process.poll() is not None:
                self._bury(child)
        now = time.monotonic()
        for role in [role for role, at in self._due.items() if at <= now]:
            try:
                self._spawn(role)
            except OSError as problem:
                self._due[role] = now + AGAIN
                log.error(f"The {role} cannot be started ({problem.strerror}); it is tried again.", action="no_child")
            else:
                del self._due[role]

    def _bury(self, child: Child) -> None:
        """One that keeps ending is started at most once a second."""
        role, code, now = child.role, child.process.returncode, time.monotonic()
        log.error(f"The {role} ended with code {code}; it is started again.", action="child_ended", role=role)
        self.selector.unregister(child.told)
        os.close(child.told)
        os.close(child.lifeline)
        del self.children[role]
        self._ends[role] = [at for at in self._ends[role] if now - at < OFTEN] + [now]
        self._due[role] = now + (PAUSE if len(self._ends[role]) > 2 else 0.0)

    # -- words --------------------------------------------------------------------------------------------------

    def _listen(self, timeout: float) -> None:
        for key, _ in self.selector.select(timeout):
            child: Child | None = key.data
            with contextlib.suppress(BlockingIOError):
                data = os.read(key.fd, 4096)
                if child is None:
                    continue  # a signal: its handler has noted it
                if not data:  # it has closed its end, so it is ending
                    child.silent = True
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        child.process.wait(PAUSE)
                *words, child.rest = (child.rest + data).split(b"\n")
                for word in words:
                    child.beat_at = time.monotonic()
                    child.ready = child.ready or word == b"ready"
                    self.prepared = self.prepared or word == b"prepared"
                    if word.startswith(b"refused "):
                        self._refused = json.loads(word.removeprefix(b"refused "))

    def _report(self) -> None:
        now = time.monotonic()
        ready = len(self.children) == len(self.roles) and all(child.ready for child in self.children.values())
        if ready and not self.announced:
            self.announced = True
            self.notifier.ready("watching")
        front = self.children.get(FRONT)
        if self._reload and front is not None and front.ready:
            self._reload = False
            front.process.send_signal(signal.SIGHUP)
        interval = self.notifier.watchdog_interval or EXTEND / 2
        if now - self._patted < interval / 4 or any(now - c.beat_at > interval for c in self.children.values()):
            return
        self._patted = now
        if self.announced:
            self.notifier.watchdog()
        else:
            self.notifier.extend_timeout(EXTEND)

    def _on_signal(self, number: int, _: object) -> None:
        if number in (signal.SIGTERM, signal.SIGINT):
            self.stopping = True
        elif number == signal.SIGHUP:
            self._reload = True

    def _stop(self) -> int:
        """The front first, so that nothing more is accepted; then the engines, which write their snapshots.

        The first engine goes last: it signs the head of an audit log in which the others have said all they had to.
        """
        self.notifier.stopping()
        others = [role for role in self.roles if role not in (FRONT, FIRST)]
        return max([self._end(roles) for roles in ([FRONT], others, [FIRST])])

    def _end(self, roles: list[str]) -> int:
        """Stop some children at the same time: 1 if one of them had to be killed."""
        ending = [self.children[role] for role in roles if role in self.children]
        for child in ending:
            child.process.terminate()
        code, until = 0, time.monotonic() + self.grace
        for child in ending:
            try:
                child.process.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                sentence = f"The {child.role} did not stop within {self.grace:.0f} s and was killed."
                log.error(sentence, action="child_killed", role=child.role)
                child.process.send_signal(DUMP)
                time.sleep(DUMPED)  # to write down what it was doing
                child.process.kill()
                child.process.wait()
                code = 1
        return code
