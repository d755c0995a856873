"""Senders over Apprise: one URL, one target, sent by a helper process."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from monitor.delivery.apprise_pool import HelperError, HelperPool
from monitor.delivery.protocol import Outgoing, Result, Sender
from monitor.delivery.unusable import Unusable

_TITLE, _BODY, _URL = 250, 8000, 4096  # characters; together below what a pipe takes without blocking


class AppriseSender:
    """One target. Sends one message at a time: services that are hit twice at once answer 429."""

    def __init__(self, url: str, pool: HelperPool, label: str) -> None:
        self._url, self._pool, self._label = url, pool, label
        self._turn = threading.Lock()

    @property
    def label(self) -> str:
        return self._label

    def __repr__(self) -> str:
        return f"AppriseSender({self._label})"

    def send(self, message: Outgoing, deadline: float) -> Result:
        ends = time.monotonic() + deadline
        if not self._turn.acquire(timeout=max(0.0, deadline)):
            return Result("retry", "timeout", None, "The message before it to the same receiver is still being sent.")
        try:
            return self._send(message, ends - time.monotonic())
        finally:
            self._turn.release()

    def _send(self, message: Outgoing, seconds: float) -> Result:
        parts = {
            "title": _cut(message.title, _TITLE),
            "body": _cut(message.body, _BODY),
            "severity": message.severity,
            "reason": message.reason,
        }
        try:
            answer = self._pool.call({"do": "send", "url": self._url, "message": parts}, seconds)
        except HelperError as failed:
            return _without_answer(failed, seconds)
        if "refused" in answer:
            return Result("dead", "clientError", None, answer["refused"])
        return Result(answer["outcome"], answer["reason"], answer["retry_after"], answer["problem"])


@dataclass(frozen=True, slots=True)
class Senders:
    """By receiver name: those that can be used, and for the others a sentence each that says what to change."""

    usable: dict[str, Sender] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)

    @property
    def all(self) -> dict[str, Sender]:
        """For the courier: messages to a receiver that cannot be used are given up with the sentence on record."""
        return {**self.usable, **{name: Unusable(problem) for name, problem in self.problems.items()}}


def apprise_senders(urls: Mapping[str, str], pool: HelperPool, seconds: float = 30.0) -> Senders:
    """Checks every URL without sending anything; the first check starts a helper (about a second)."""
    senders = Senders()
    for name, url in urls.items():
        label, problem = check(url, pool, seconds)
        if problem is None:
            senders.usable[name] = AppriseSender(url, pool, label)
        else:
            senders.problems[name] = f'The URL of receiver "{name}" cannot be used. {problem}'
    return senders


def check(url: str, pool: HelperPool, seconds: float = 30.0) -> tuple[str, str | None]:
    """(label, None) for a URL that can be used, else ("", a sentence that says why, without any part of a secret)."""
    if len(url) > _URL:
        return "", f"It is {len(url)} characters long; at most {_URL} are allowed."
    try:
        answer = pool.call({"do": "check", "url": url}, seconds)
    except HelperError as failed:
        state = "did not answer in time" if failed.late else "ended at once"
        return "", f"It could not be checked: the helper process that loads Apprise {state}; run the command again."
    if "label" in answer:
        return f"{answer['label']} ({answer['url_id']})", None
    return "", str(answer.get("refused") or answer.get("problem"))


def _without_answer(failed: HelperError, seconds: float) -> Result:
    if failed.sent and failed.late:
        problem = f"No answer came within {seconds:.0f} s and the attempt was ended; the message may have arrived."
        return Result("unknown", "timeout", None, problem)
    if failed.sent:
        return Result("unknown", "other", None, "The helper process died while sending; the message may have arrived.")
    reason = "No helper process was ready in time" if failed.late else "The helper process could not be started"
    return Result("retry", "timeout" if failed.late else "other", None, f"{reason}; nothing was sent.")


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
