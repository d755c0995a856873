"""The table that turns what a failed attempt left behind into a class."""

from __future__ import annotations

import smtplib
import socket

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from monitor.delivery.classify import Trace, classify, names_of


@pytest.mark.parametrize(
    ("line", "outcome", "reason"),
    [
        ("Failed to send JSON notification: Bad Request - Unsupported Parameters., error=400.", "dead", "clientError"),
        ("Failed to send Slack notification: Unauthorized - Invalid Token., error=401.", "dead", "authError"),
        ("Failed: Forbidden, error=403.", "dead", "authError"),
        ("Failed to send Telegram notification: Page not found, error=404.", "dead", "clientError"),
        ("Failed: error=407.", "dead", "authError"),
        ("Failed: error=408.", "retry", "timeout"),
        ("Failed: error=413.", "dead", "clientError"),
        ("Failed to send X: Too many requests were made., error=429.", "retry", "rateLimited"),
        ("Failed to send PagerDuty notification: error=500.", "retry", "serverError"),
        ("Failed (error=503). ", "retry", "serverError"),
        ("Failed: error=302.", "dead", "clientError"),
        ("Failed to send to Slack: invalid_auth, error=200.", "dead", "authError"),
        ("Failed to send to Slack: channel_not_found, error=200.", "dead", "clientError"),
        ("The rate limit was exceeded.", "retry", "rateLimited"),
        ("Timed out waiting for a response.", "unknown", "timeout"),
        ("A Connection error occurred sending Join:x notification.", "retry", "connection"),
        ("Something nobody has seen before", "retry", "other"),
    ],
)
def test_log_lines_have_their_class(line, outcome, reason):
    result = classify(Trace(lines=(line,)))
    assert (result.outcome, result.reason) == (outcome, reason)


@pytest.mark.parametrize(
    ("error", "outcome", "reason"),
    [
        (requests.exceptions.ReadTimeout(), "unknown", "timeout"),
        (requests.exceptions.ConnectTimeout(), "retry", "timeout"),
        (requests.exceptions.SSLError(), "retry", "connection"),
        (requests.exceptions.ChunkedEncodingError(), "retry", "connection"),
        (requests.exceptions.InvalidURL(), "dead", "clientError"),
        (socket.gaierror(), "retry", "connection"),
        (ConnectionRefusedError(), "retry", "connection"),
        (ConnectionResetError(), "retry", "connection"),
        (TimeoutError(), "unknown", "timeout"),
        (smtplib.SMTPServerDisconnected(), "retry", "connection"),
        (ValueError("a plugin's own bug"), "retry", "other"),
    ],
)
def test_exceptions_have_their_class(error, outcome, reason):
    result = classify(Trace(errors=frozenset(names_of(error))))
    assert (result.outcome, result.reason) == (outcome, reason)


def test_the_cause_of_an_exception_counts():
    try:
        try:
            raise ConnectionRefusedError
        except ConnectionRefusedError as cause:
            raise RuntimeError from cause
    except RuntimeError as error:
        assert "ConnectionRefusedError" in set(names_of(error))


@pytest.mark.parametrize(
    ("code", "outcome", "reason"),
    [
        (421, "retry", "serverError"),
        (451, "retry", "serverError"),
        (535, "dead", "authError"),
        (550, "dead", "clientError"),
    ],
)
def test_mail_replies_have_their_class(code, outcome, reason):
    result = classify(Trace(smtp=code, errors=frozenset({"SMTPAuthenticationError"})))
    assert (result.outcome, result.reason) == (outcome, reason)


def test_the_last_status_counts_and_a_success_before_a_broken_connection_does_not():
    assert classify(Trace(lines=("error=500.", "error=404."))).reason == "clientError"
    assert classify(Trace(status=200, errors=frozenset({"ReadTimeout"}))).outcome == "unknown"
    assert classify(Trace(status=503)).reason == "serverError"


def test_a_wish_to_wait_is_kept_only_where_something_will_be_sent_again():
    assert classify(Trace(status=429, retry_after=9.0)).retry_after == 9.0
    assert classify(Trace(status=404, retry_after=9.0)).retry_after is None


@given(
    st.lists(st.text()).map(tuple),
    st.frozensets(st.text()),
    st.none() | st.integers(100, 599),
    st.none() | st.integers(0, 999),
)
def test_anything_gets_a_whole_sentence_and_is_never_called_delivered(lines, errors, status, smtp):
    result = classify(Trace(lines, errors, status, smtp))
    assert result.outcome in ("retry", "dead", "unknown")
    assert result.problem.startswith("The receiver ") and result.problem.endswith(".")
    assert len(result.problem) < 400
