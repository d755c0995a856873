"""May this model answer by itself? Asked before an answer is used; never raises, never takes long."""

from __future__ import annotations

import http.client
import os
from threading import Condition, Thread
from time import monotonic
from typing import NamedTuple
from urllib.parse import quote

from .http import DEFAULT_URL, Connection

_STATES = ("auto", "review", "halt")
_TRY_AGAIN = 1.0  # seconds after a failure, so that a dead daemon does not slow each answer down


class Verdict(NamedTuple):
    """`state` is auto, review or halt; `reason` says why in words. `generation` rises with every change, 0 if
    the daemon was never reached. `known` is False where `state` is only the default.
    """

    state: str
    reason: str
    generation: int
    known: bool


class _Lease(NamedTuple):
    verdict: Verdict
    epoch: str
    asked: float
    seconds: float


class Gate:
    """The gate of one model. `check` answers from a lease that the daemon gave, and renews it when half of it is over.

    While the daemon cannot be reached the last answer stands until its lease ends; after that `default` does, which
    says whether a model whose overseers cannot be heard goes on (`auto`) or not. One check takes at most `timeout`
    seconds, whatever the network does.
    """

    def __init__(
        self,
        model: str,
        url: str | None = None,
        token: str | None = None,
        *,
        default: str = "auto",
        timeout: float = 0.5,
    ) -> None:
        if default not in _STATES:
            raise ValueError(f"{default!r} is no state of a gate: use one of {', '.join(_STATES)}.")
        self._path = f"/v1/gates/{quote(model, safe='')}"
        self._url = url or os.environ.get("OVERLOOP_URL") or DEFAULT_URL
        self._token = token or os.environ.get("OVERLOOP_TOKEN") or None
        Connection(self._url, self._token, timeout)
        self._default, self._timeout = default, timeout
        self._begin()

    def check(self) -> Verdict:
        """What the model may do now."""
        if self._pid != os.getpid():
            self._begin()  # the asking thread stayed in the parent
        now = monotonic()
        lease = self._lease
        if lease is not None and now < lease.asked + lease.seconds / 2:
            return lease.verdict
        if now >= self._not_before:
            self._ask(now)
        return self._standing(monotonic())

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._changed = Condition()
        self._asking = False
        self._lease: _Lease | None = None
        self._not_before = 0.0
        self._problem = "the daemon was not asked yet"

    def _standing(self, now: float) -> Verdict:
        lease = self._lease
        if lease is not None and now < lease.asked + lease.seconds:
            return lease.verdict
        generation = 0 if lease is None else lease.verdict.generation
        reason = f"The gate cannot be read, so the default {self._default} stands: {self._problem}."
        return Verdict(self._default, reason, generation, False)

    def _ask(self, now: float) -> None:
        """Ask in a thread that may take as long as it likes, and wait for it no longer than `timeout`."""
        with self._changed:
            if not self._asking:
                try:
                    Thread(target=self._fetch, args=(now,), name="overloop-gate", daemon=True).start()
                    self._asking = True
                except RuntimeError:  # no more threads can be had
                    self._not_before = now + _TRY_AGAIN
                    return
            if not self._changed.wait_for(lambda: not self._asking, self._timeout):
                self._problem = f"no answer from {self._url} within {self._timeout:g} s"
                self._not_before = monotonic() + _TRY_AGAIN

    def _fetch(self, asked: float) -> None:
        lease, problem = None, ""
        try:
            connection = Connection(self._url, self._token, max(self._timeout, 1.0))
            try:
                reply = connection.request("GET", self._path)
            finally:
                connection.close()
            if reply.status == 200:
                lease = _read(reply.json(), asked)
            problem = "" if lease else f"{self._url} answered: {reply.detail()}"
        except (OSError, http.client.HTTPException) as failure:
            problem = f"{self._url} cannot be reached ({failure or type(failure).__name__})"
        except Exception as failure:  # whatever else it is, the model goes on
            problem = f"{self._url} gave an answer that cannot be read ({type(failure).__name__})"
        with self._changed:
            if lease is None:
                self._problem = problem.rstrip(".")
                self._not_before = monotonic() + _TRY_AGAIN
            elif not _older(lease, self._lease):
                self._lease = lease
            self._asking = False
            self._changed.notify_all()


def _read(answer: dict[str, object], asked: float) -> _Lease | None:
    state = answer.get("state")
    if state not in _STATES:
        return None
    verdict = Verdict(str(state), str(answer.get("reason") or ""), int(str(answer.get("generation", 0))), True)
    return _Lease(verdict, str(answer.get("epoch", "")), asked, float(str(answer.get("lease_seconds", 0))))


def _older(new: _Lease, known: _Lease | None) -> bool:
    """An answer that was under way while a newer one came."""
    return known is not None and new.epoch == known.epoch and new.verdict.generation < known.verdict.generation
