"""From what a failed attempt left behind to a class. One table per kind of trace; pure, so that all of it is tested.

Upstream texts change: whatever no row knows is `retry`, `other`, never a lost message.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from monitor.core.notices.model import Outcome
from monitor.delivery.protocol import FailureReason, Result

_Row = tuple[Outcome, FailureReason, str]
_STATUS = re.compile(r"error=(\d{3})\b")
_MOVED: _Row = ("dead", "clientError", "it redirects elsewhere, and redirects are not followed")
_AUTH: _Row = ("dead", "authError", "it refused the credentials; check the receiver's URL")
_REFUSED: _Row = ("dead", "clientError", "it refused the request; check the receiver's URL")
_SLOWLY: _Row = ("retry", "rateLimited", "it asks for fewer messages")
_BROKEN: _Row = ("retry", "serverError", "it failed on its side")
_LATE: _Row = ("retry", "timeout", "it gave up waiting for the request")
_SILENT: _Row = ("unknown", "timeout", "no answer came in time; the message may have arrived")
_CUT: _Row = ("retry", "connection", "the connection broke before it answered")
_UNREACHED: _Row = ("retry", "connection", "it could not be reached")

# The first row one of whose names is among the exception's types or those of its causes decides.
_EXCEPTIONS: tuple[tuple[tuple[str, ...], _Row], ...] = (
    (("SMTPAuthenticationError",), _AUTH),
    (("gaierror", "NameResolutionError"), ("retry", "connection", "its host name could not be resolved")),
    (("ConnectionRefusedError",), ("retry", "connection", "nothing listens at its address")),
    (("NewConnectionError",), _UNREACHED),  # before the next, of which it is a kind
    (("ConnectTimeout", "ConnectTimeoutError"), ("retry", "timeout", "it could not be reached in time")),
    (("ReadTimeout", "ReadTimeoutError"), _SILENT),
    (("SSLError", "SSLCertVerificationError"), ("retry", "connection", "the TLS handshake with it failed")),
    (("ConnectionResetError", "BrokenPipeError", "RemoteDisconnected", "SMTPServerDisconnected"), _CUT),
    (("IncompleteRead", "ProtocolError", "ChunkedEncodingError"), _CUT),
    (("InvalidURL", "MissingSchema", "InvalidSchema", "LocationParseError", "InvalidHeader"), _REFUSED),
    (("TimeoutError",), _SILENT),
    (("ConnectionError", "OSError", "SMTPException"), _UNREACHED),
)

# For services that answer 200 and say in words that it failed, and for protocols without status codes.
_WORDS: tuple[tuple[re.Pattern[str], _Row], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), row)
    for pattern, row in (
        (r"rate.?limit|too many requests|throttled", _SLOWLY),
        (r"invalid[_ ](auth|token|api key)|not_authed|token_(revoked|expired)|account_inactive|unauthori[sz]ed", _AUTH),
        (r"authentication (failed|error)|forbidden|access denied", _AUTH),
        (r"channel_not_found|is_archived|chat not found|no_service|unknown_recipient", _REFUSED),
        (r"timed? ?out", _SILENT),
        (r"connection error|could not connect|connection refused|unreachable|socket .*exception", _UNREACHED),
    )
)


@dataclass(frozen=True, slots=True)
class Trace:
    """What one failed attempt left behind.

    `lines`: the service's own log lines, redacted, oldest first. `errors`: names of the exception types, with their
    bases and causes. `status`: of the last HTTP answer. `smtp`: of the last SMTP answer. `retry_after`: seconds.
    """

    lines: tuple[str, ...] = ()
    errors: frozenset[str] = frozenset()
    status: int | None = None
    smtp: int | None = None
    retry_after: float | None = None


def classify(trace: Trace) -> Result:
    """The Result of a failed attempt, with a sentence built from the row and, where it helps, the service's words."""
    status = _last_status(trace.lines) or trace.status
    if status is not None and status >= 300:
        outcome, reason, words = _http(status)
        said = f"The receiver answered {status}: {words}"
    else:
        outcome, reason, words = _smtp(trace.smtp) or _exception(trace.errors) or _text(trace.lines) or _unknown()
        said = f"The receiver did not take the message: {words}"
    if reason in ("clientError", "other") and trace.lines:
        said += f" (it said: {_shorten(trace.lines[-1])})"
    return Result(outcome, reason, trace.retry_after if outcome == "retry" else None, said + ".")


def names_of(error: BaseException | None) -> Iterable[str]:
    """Names of the types of an exception and of everything it came from, with all their bases."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield from (kind.__name__ for kind in type(error).__mro__)
        error = error.__cause__ or error.__context__


def _http(status: int) -> _Row:
    if status in (401, 403, 407):
        return _AUTH
    if status == 429:
        return _SLOWLY
    if status in (408, 425):
        return _LATE
    if status >= 500:
        return _BROKEN
    return _REFUSED if status >= 400 else _MOVED


def _smtp(code: int | None) -> _Row | None:
    if code is None or code < 400:
        return None
    if code < 500:  # greylisting, a full mailbox, too many connections: all temporary by RFC 5321, 4.2.1
        return _BROKEN
    return _AUTH if code in (530, 534, 535, 538) else _REFUSED


def _exception(names: frozenset[str]) -> _Row | None:
    return next((row for kinds, row in _EXCEPTIONS if not names.isdisjoint(kinds)), None)


def _text(lines: tuple[str, ...]) -> _Row | None:
    text = "\n".join(lines)
    return next((row for pattern, row in _WORDS if pattern.search(text)), None)


def _unknown() -> _Row:
    return "retry", "other", "the reason is not known"


def _last_status(lines: tuple[str, ...]) -> int | None:
    found = [int(code) for line in lines for code in _STATUS.findall(line)]
    return found[-1] if found else None


def _shorten(line: str, limit: int = 200) -> str:
    line = " ".join(line.split()).rstrip(".")
    return line if len(line) <= limit else line[: limit - 1] + "…"
