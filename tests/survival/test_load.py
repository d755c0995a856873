"""Many new connections at once, more than can be taken, and a person beside them: a bounded load from another process."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from daemon_process import Daemon, until

from bench.intake_load import Load, run

Make = Callable[..., Daemon]
TICKS = os.sysconf("SC_CLK_TCK")


def lines(model: str, count: int, confidence: float = 0.9) -> list[bytes]:
    """Events whose ids the generator makes different where it begins again."""
    rest = {"model": model, "output": {"confidence": confidence}}
    return [json.dumps({"id": f"bench-{model}-{i}", **rest}).encode() for i in range(count)]


def load(daemon: Daemon, events: list[bytes], **how: Any) -> Load:
    token = (daemon.home / "token").read_text().strip()
    head = f"POST /v1/events HTTP/1.1\r\nHost: 127.0.0.1:{daemon.port}\r\nAuthorization: Bearer {token}\r\n"
    return run(daemon.port, head.encode(), events, **how)


def cpu(pid: int) -> float:
    """Seconds of processor time that a process has had."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def percentile(values: list[float], share: float) -> float:
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(share * len(ranked)))]


@pytest.mark.parametrize(
    ("rate", "seconds"),
    [pytest.param(150, 3, id="150 a second"), pytest.param(2000, 60, id="2000 a second", marks=pytest.mark.survival)],
)
def test_no_event_on_a_connection_of_its_own_is_refused_or_lost(
    daemon: Daemon, rate: int, seconds: int, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.start()
    front = daemon.child("front")
    before = cpu(front)
    found = load(daemon, lines("m", 500), rate=rate, seconds=seconds)
    spent = cpu(front) - before
    told = f"{rate:,} new connections a second for {seconds} s: {found.statuses}, {found.failed} failed"
    p50, p99 = (percentile(found.latencies, share) for share in (0.5, 0.99))
    with capsys.disabled():
        print(f"\n{told}; p50 {p50:.1f} ms, p99 {p99:.1f} ms, the last request began {found.late:.1f} s late;")
        print(f"the front had {1e6 * spent / (rate * seconds):.0f} us of processor a connection, the load itself "
              f"{1e6 * found.cpu / (rate * seconds):.0f} us")  # fmt: skip
    assert (found.failed, found.statuses) == (0, {"202": rate * seconds}), told
    assert found.accepted == rate * seconds
    daemon.observed(rate * seconds)
    assert daemon.accounting()["refused"] == 0
    assert daemon.stop() == 0


def test_what_is_beyond_the_bound_is_refused_with_the_time_to_come_again_and_counted(make_daemon: Make) -> None:
    daemon = make_daemon(toml="[spool]\nmax_waiting_events = 1000\n").start()
    engine = daemon.child("engine")
    os.kill(engine, signal.SIGSTOP)  # nothing is observed meanwhile
    daemon.accept(*(json.loads(line) for line in lines("before", 900)))
    found = load(daemon, lines("m", 500), rate=100, seconds=3)
    refused = found.statuses.pop("503", 0)
    assert found.failed == 0 and found.statuses == {"202": found.accepted}
    assert refused > 0 and found.retry_after == refused and found.accepted + refused == 300
    until(lambda: daemon.ask("/v1/accounting")[1].get("refused") == refused, "they are not counted")
    assert daemon.ask("/-/ready")[0] == 503
    os.kill(engine, signal.SIGCONT)
    daemon.observed(900 + found.accepted)
    until(lambda: load(daemon, lines("again", 1), rate=1, seconds=1).accepted, "posts are still refused")
    assert daemon.stop() == 0


@pytest.mark.parametrize(
    ("people", "bound"),
    [
        pytest.param(20, 2.0, id="20 acknowledgements"),
        pytest.param(200, 0.1, id="200 acknowledgements", marks=pytest.mark.survival),
    ],
)
def test_a_person_who_acknowledges_beside_a_busy_pump_hardly_waits(
    daemon: Daemon, people: int, bound: float, capsys: pytest.CaptureFixture[str]
) -> None:
    """The bound is of the 95th percentile, in seconds."""
    daemon.start()
    for i in range(people):
        low = {"model": f"bad-{i:03d}", "output": {"confidence": 0.1}}
        daemon.accept(*({"id": f"{i}-{j}", **low} for j in range(4)))
    until(lambda: daemon.accounting()["observed"] == 4 * people, "the incidents are not opened")
    ids = [i["id"] for i in daemon.ask(f"/v1/incidents?limit={people}")[1]["incidents"]]
    assert len(ids) == people
    stop, took, posted = threading.Event(), list[float](), [0]

    def busy() -> None:
        while not stop.is_set():
            events = [
                {"id": f"b{posted[0] + i}", "model": f"m{i % 20}", "output": {"confidence": 0.9}} for i in range(400)
            ]
            posted[0] += len(events) if daemon.post(*events)[0] == 202 else 0
            stop.wait(0.05)

    beside = threading.Thread(target=busy)
    beside.start()
    try:
        for incident in ids:
            began = time.perf_counter()
            status, answer = daemon.ask(f"/v1/incidents/{incident}/acknowledge", {})
            took.append(time.perf_counter() - began)
            assert (status, answer["state"]) == (200, "acknowledged")
            time.sleep(0.02)
    finally:
        stop.set()
        beside.join()
    ranks = [1e3 * percentile(took, share) for share in (0.5, 0.95, 0.99)]
    with capsys.disabled():
        print(
            "\nacknowledged beside {:,} events: p50 {:.0f} ms, p95 {:.0f} ms, p99 {:.0f} ms".format(posted[0], *ranks)
        )
    daemon.observed(4 * people + posted[0])
    assert posted[0] > 0 and ranks[1] < 1e3 * bound
    assert daemon.stop() == 0
