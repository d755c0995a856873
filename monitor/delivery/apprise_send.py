"""One attempt through Apprise, with what it left behind. Runs in the helper process only, one at a time."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests
from apprise import Apprise, NotifyFormat, NotifyType
from apprise.result import AppriseResultStatus

from monitor.delivery.apprise_target import Target
from monitor.delivery.classify import Trace, classify, names_of
from monitor.delivery.patience import retry_after
from monitor.delivery.protocol import Result

_KINDS = {"critical": NotifyType.FAILURE, "high": NotifyType.FAILURE, "medium": NotifyType.WARNING}
_GOOD_NEWS = frozenset({"recovered", "closed", "acknowledged"})


def send_once(target: Target, message: dict[str, str], seconds: float) -> Result:
    """`message` holds title, body, severity and reason. The caller kills this process when `seconds` are over."""
    plugin = target.plugin
    plugin.socket_connect_timeout = min(5.0, 0.5 * seconds)
    plugin.socket_read_timeout = 0.9 * seconds  # so that a silent server need not cost the helper its life
    service = Apprise(asset=target.asset)
    service.add(plugin)
    with _watch(target) as witness:
        outcome = service.notify(
            body=message["body"],
            title=message["title"],
            notify_type=_kind(message),
            body_format=NotifyFormat.TEXT,
        )
    attempts = [attempt for result in outcome for attempt in result.attempts]
    # The service's own status turns failures of "optional" services into successes; an attempt's does not.
    if attempts and attempts[-1].status == AppriseResultStatus.SUCCESS:
        return Result("delivered")
    return classify(witness.trace())


def _kind(message: dict[str, str]) -> Any:
    if message["reason"] in _GOOD_NEWS:
        return NotifyType.SUCCESS
    return _KINDS.get(message["severity"], NotifyType.INFO)


class _Witness(logging.Handler):
    """Collects warnings, and the exception being handled where one is logged: Apprise logs but never raises it."""

    def __init__(self, target: Target) -> None:
        super().__init__(logging.WARNING)
        self._clean = target.redactor.clean
        self._lines: list[str] = []
        self._errors: set[str] = set()
        self._smtp: int | None = None
        self._status: int | None = None
        self._retry_after: float | None = None

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(self._clean(record.getMessage()))
        error = sys.exc_info()[1]
        self._errors.update(names_of(error))
        self._smtp = _smtp_code(error) or self._smtp

    def answered(self, response: requests.Response | None) -> None:
        self._status = None if response is None else response.status_code
        self._retry_after = None if response is None else _wait(response)

    def trace(self) -> Trace:
        return Trace(tuple(self._lines), frozenset(self._errors), self._status, self._smtp, self._retry_after)


@contextmanager
def _watch(target: Target) -> Iterator[_Witness]:
    """Apprise tells the status in a log line at best and Retry-After never, so the answers themselves are seen.

    `requests` has no hook that reaches sessions made by others: its one method is wrapped, in a process that does
    nothing else.
    """
    witness, plain = _Witness(target), requests.Session.send
    log = logging.getLogger("apprise")

    def send(session: requests.Session, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        witness.answered(None)
        response = plain(session, request, **options)
        witness.answered(response)
        return response

    requests.Session.send = send  # type: ignore[method-assign,assignment]
    log.addHandler(witness)
    try:
        yield witness
    finally:
        log.removeHandler(witness)
        requests.Session.send = plain  # type: ignore[method-assign]


def _smtp_code(error: BaseException | None) -> int | None:
    code = getattr(error, "smtp_code", None)
    if isinstance(code, int):
        return code
    refused = getattr(error, "recipients", None)  # of smtplib.SMTPRecipientsRefused: address -> (code, words)
    return next((c for c, _ in refused.values()), None) if isinstance(refused, dict) else None


def _wait(response: requests.Response) -> float | None:
    return retry_after(response.headers.get("Retry-After"), response.headers.get("Date"))
