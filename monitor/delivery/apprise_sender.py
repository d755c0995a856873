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
_UNCHECKED = "not checked yet"  # the label of a sender whose URL nobody could look at so far


class AppriseSender:
    """One target. Sends one message at a time: services that are hit twice at once answer 429.

    A URL that could not be checked is sent to all the same; the answer tells its label, or what is wrong with it.
    """

    def __init__(self, url: str, pool: HelperPool, label: str = _UNCHECKED) -> None:
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
        self._label = _label(answer) or self._label
        return Result(answer["outcome"], answer["reason"], answer["retry_after"], answer["problem"])


@dataclass(frozen=True, slots=True)
class Senders:
    """By receiver name: those that can be used, and for the others a sentence each that says what to change.

    `unchecked` says for some of the usable ones why nobody knows yet whether they can be.
    """

    usable: dict[str, Sender] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    unchecked: dict[str, str] = field(default_factory=dict)

    @property
    def all(self) -> dict[str, Sender]:
        """For the courier: messages to a receiver that cannot be used fail with the sentence on record."""
        return {**self.usable, **{name: Unusable(problem) for name, problem in self.problems.items()}}


def apprise_senders(urls: Mapping[str, str], pool: HelperPool, seconds: float = 30.0) -> Senders:
    """Checks every URL without sending anything, within `seconds` in all; the first check starts a helper (about 1 s).

    A receiver is refused only for what its URL says, never for a helper that was slow or died.
    """
    senders, ends = Senders(), time.monotonic() + seconds
    for name, url in urls.items():
        try:
            label, problem = check(url, pool, ends - time.monotonic())
        except NoVerdict as unknown:
            senders.usable[name] = AppriseSender(url, pool)
            senders.unchecked[name] = f'The URL of receiver "{name}" could not be checked. {unknown}'
            continue
        if problem is None:
            senders.usable[name] = AppriseSender(url, pool, label)
        else:
            senders.problems[name] = f'The URL of receiver "{name}" cannot be used. {problem}'
    return senders


class NoVerdict(Exception):  # noqa: N818 (an answer, not a mistake)
    """Nobody could look at a URL; the sentence says why."""


def check(url: str, pool: HelperPool, seconds: float = 30.0) -> tuple[str, str | None]:
    """(label, None) for a URL that can be used, else ("", a sentence that says why, without any part of a secret).

    Raises NoVerdict where no helper could tell.
    """
    if len(url) > _URL:
        return "", f"It is {len(url)} characters long; at most {_URL} are allowed."
    if seconds <= 0.0:
        raise NoVerdict("There was no time left for it; it is looked at when the first message is sent.")
    try:
        answer = pool.call({"do": "check", "url": url}, seconds)
    except HelperError as failed:
        state = "did not answer in time" if failed.late else "ended at once"
        raise NoVerdict(f"The helper process that loads Apprise {state}; messages are tried all the same.") from None
    if "refused" in answer:
        return "", str(answer["refused"])
    label = _label(answer)
    if label is None:
        raise NoVerdict(str(answer["problem"]))
    return label, None


def _label(answer: Mapping[str, str]) -> str | None:
    return f"{answer['label']} ({answer['url_id']})" if "label" in answer else None


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
