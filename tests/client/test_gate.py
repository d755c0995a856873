from __future__ import annotations

import socket
import threading
import time
from typing import Any

import pytest

from monitor.client import Gate


def gate(state: str = "auto", generation: int = 1, lease: float = 60.0, epoch: str = "e") -> Any:
    answer = {
        "scope": "m", "state": state, "epoch": epoch, "generation": generation, "reason": f"because {state}",
        "since": "2026-01-01T00:00:00Z", "by": "ada", "lease_seconds": lease,
    }  # fmt: skip
    return lambda *_: (200, {}, answer)


def test_the_state_is_read_once_per_half_lease(daemon: Any) -> None:
    daemon.answer = gate("review", 3)
    one = Gate("fraud eu/1", daemon.url, "t")
    for _ in range(5):
        verdict = one.check()
    assert (verdict.state, verdict.reason, verdict.generation, verdict.known) == ("review", "because review", 3, True)
    assert [path for path, _, _ in daemon.requests] == ["/v1/gates/fraud%20eu%2F1"]
    assert daemon.requests[0][1]["authorization"] == "Bearer t"


def test_a_change_is_seen_once_half_the_lease_is_over(daemon: Any) -> None:
    daemon.answer = gate("auto", 1, lease=0.0)
    one = Gate("m", daemon.url)
    assert one.check().state == "auto"
    daemon.answer = gate("halt", 2)
    assert one.check().state == "halt"


def test_the_last_state_stands_until_its_lease_ends_and_then_the_default_does(daemon: Any) -> None:
    daemon.answer = gate("halt", 5, lease=0.6)
    one = Gate("m", daemon.url, default="review")
    assert one.check().state == "halt"
    daemon.answer = lambda *_: (500, {}, {"detail": "Broken."})
    until = time.monotonic() + 5
    while (verdict := one.check()).known and time.monotonic() < until:
        assert verdict.state == "halt"
    assert (verdict.state, verdict.generation, verdict.known) == ("review", 5, False)
    assert verdict.reason.startswith("The gate cannot be read, so the default review stands: ")
    assert "Broken" in verdict.reason


def test_a_daemon_that_is_away_is_asked_at_most_once_a_second() -> None:
    one = Gate("m", "http://127.0.0.1:9")
    started = time.monotonic()
    for _ in range(200):
        assert one.check().state == "auto"
    assert time.monotonic() - started < 1.0
    assert "cannot be reached" in one.check().reason


def test_a_daemon_that_never_answers_costs_no_more_than_the_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        one = Gate("m", f"http://127.0.0.1:{deaf.getsockname()[1]}", timeout=0.1)
        started = time.monotonic()
        verdict = one.check()
        assert 0.05 < time.monotonic() - started < 0.5
        assert verdict.state == "auto" and "no answer from" in verdict.reason and "within 0.1 s" in verdict.reason
        started = time.monotonic()
        one.check()
        assert time.monotonic() - started < 0.05  # not again within a second


@pytest.mark.parametrize(
    "answer",
    [b"nonsense", b"[]", b"null", b'{"state": "open"}', b'{"state": 1}', b'{"state": "halt", "generation": "x"}',
     b'{"state": "halt", "generation": null, "lease_seconds": 1}', b'{"state": "halt", "lease_seconds": "soon"}'],
)  # fmt: skip
def test_an_answer_that_cannot_be_read_is_none(daemon: Any, answer: bytes) -> None:
    daemon.answer = lambda *_: (200, {}, answer)
    verdict = Gate("m", daemon.url).check()
    assert (verdict.state, verdict.known) == ("auto", False)


def test_an_older_generation_does_not_replace_a_newer_one_unless_the_ledger_is_another(daemon: Any) -> None:
    daemon.answer = gate("halt", 7, lease=0.0)
    one = Gate("m", daemon.url, default="review")
    one.check()
    daemon.answer = gate("auto", 6, lease=60.0)
    assert one.check().generation == 7
    daemon.answer = gate("auto", 1, lease=60.0, epoch="restored")
    assert one.check()[:1] == ("auto",)


def test_many_threads_share_one_question(daemon: Any) -> None:
    gathered = threading.Barrier(8)
    daemon.answer = gate("review", 2)
    one = Gate("m", daemon.url, timeout=5.0)
    states: list[str] = []

    def ask() -> None:
        gathered.wait(10)
        states.append(one.check().state)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert states == ["review"] * 8 and len(daemon.requests) <= 2


def test_a_default_that_is_no_state_is_refused() -> None:
    with pytest.raises(ValueError, match="'open' is no state of a gate: use one of auto, review, halt"):
        Gate("m", default="open")
