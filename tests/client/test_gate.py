from __future__ import annotations

import gc
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import SimpleQueue
from time import monotonic
from typing import Any

import pytest

from monitor.client import Gate
from monitor.client.gate_board import Board
from monitor.client.gate_reading import Part, Reading


def answer(
    state: str = "auto", generation: int = 1, lease: float = 60.0, epoch: str = "e", **more: Any
) -> dict[str, Any]:
    return {
        "scope": "m", "state": state, "epoch": epoch, "generation": generation, "reason": f"because {state}",
        "since": "2026-01-01T00:00:00Z", "by": "ada", "lease_seconds": lease, **more,
    }  # fmt: skip


def says(*args: Any, **given: Any) -> Callable[..., Any]:
    return lambda *_: (200, {}, answer(*args, **given))


def until(check: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + 10
    while not check():
        assert time.monotonic() < end, what
        time.sleep(0.01)


@pytest.fixture
def made() -> Iterator[Callable[..., Gate]]:
    """Gates that are closed at the end."""
    gates: list[Gate] = []

    def make(url: str, model: str = "m", **given: Any) -> Gate:
        gates.append(Gate(model, url, "t", **{"poll": 0.05, "wait": 5.0, **given}))
        return gates[-1]

    yield make
    for gate in gates:
        gate.close()


def acks(daemon: Any) -> list[dict[str, Any]]:
    return [json.loads(body) for path, _, body in list(daemon.requests) if path == "/v1/gate-acks" and body]


# -- what it says -------------------------------------------------------------------------------------------------


def test_the_state_is_read_when_the_gate_is_made_and_then_from_memory(daemon: Any, made: Any) -> None:
    daemon.answer = says("review", 3)
    gate = made(daemon.url, "fraud eu/1", poll=60.0)
    until(lambda: bool(acks(daemon)), "an acknowledgement")
    asked = [path for path, headers, _ in daemon.requests if path.startswith("/v1/gates/")]
    for _ in range(1000):
        verdict = gate.check()
    assert (verdict.state, verdict.reason, verdict.generation, verdict.known) == ("review", "because review", 3, True)
    assert set(asked) == {"/v1/gates/fraud%20eu%2F1"}
    assert daemon.requests[0][1]["authorization"] == "Bearer t"


def test_a_change_is_seen_by_asking_again_where_there_is_no_stream(daemon: Any, made: Any) -> None:
    daemon.answer = says("auto", 1)
    gate = made(daemon.url)
    assert gate.check().state == "auto"
    daemon.answer = says("halt", 2)
    until(lambda: gate.check().state == "halt", "the halt")


def test_the_most_restrictive_of_model_version_segment_and_operation_holds(daemon: Any, made: Any) -> None:
    parts = [("version", "3", "review"), ("operation", "refund", "halt"), ("segment", "context.channel=web", "review")]
    scopes = [{"part": p, "value": v, "state": s, "generation": 2, "reason": f"{v} is {s}"} for p, v, s in parts]
    daemon.answer = says("auto", 2, scopes=scopes)
    plain, third = made(daemon.url), made(daemon.url, version="3")
    assert plain.check().state == "auto" and third.check().state == "review"
    assert plain.check(operation="refund")[:2] == ("halt", "refund is halt")
    assert plain.check(segment="context.channel=web").state == "review"
    assert plain.check(segment="context.channel=app", operation="chat").state == "auto"


def test_a_daemon_that_streams_is_heard_at_once_and_not_asked_meanwhile(daemon: Any, made: Any) -> None:
    daemon.stream = SimpleQueue()
    daemon.answer = says("auto", 1)
    gate = made(daemon.url, poll=30.0)
    daemon.stream.put(b": a comment\n\nevent: gate\ndata: " + json.dumps(answer("halt", 2)).encode() + b"\n\n")
    until(lambda: gate.check().state == "halt", "the halt from the stream")
    until(lambda: acks(daemon)[-1]["generation"] == 2, "its acknowledgement")
    gate.close()
    daemon.stream.put(None)


def test_what_was_applied_is_acknowledged_with_what_is_answered_now(daemon: Any, made: Any) -> None:
    drill = {"part": "operation", "value": "overloop.drill", "state": "halt", "generation": 7, "reason": "x"}
    daemon.answer = says("review", 7, scopes=[drill])
    made(daemon.url)
    until(lambda: bool(acks(daemon)), "an acknowledgement")
    said = acks(daemon)[0]
    assert said.pop("client").split("/")[1] == str(os.getpid())
    assert said == {"model": "m", "epoch": "e", "generation": 7, "state": "review", "drill": "halt"}


# -- when the daemon is away --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("last", "on_stale", "then"),
    [("auto", "keep", "auto"), ("auto", "review", "review"), ("auto", "auto", "auto"),
     ("review", "keep", "review"), ("review", "auto", "auto"), ("review", "review", "review"),
     ("halt", "keep", "halt"), ("halt", "review", "halt"), ("halt", "auto", "halt")],
)  # fmt: skip
@pytest.mark.parametrize("whose", ["the pack's", "the service's"])
def test_once_the_lease_has_run_out_on_stale_stands(
    daemon: Any, made: Any, last: str, on_stale: str, then: str, whose: str
) -> None:
    packs = whose == "the pack's"
    daemon.answer = says(last, 5, lease=0.2, terms={"on_stale": on_stale} if packs else {})
    gate = made(daemon.url, **({} if packs else {"on_stale": on_stale}))
    daemon.answer = lambda *_: (500, {}, {"detail": "Broken."})
    until(lambda: not gate.check().known, "the end of the lease")
    verdict = gate.check()
    assert (verdict.state, verdict.generation) == (then, 5)
    assert verdict.reason.startswith(f"The gate cannot be read, so {then} stands: ")
    daemon.answer = says("auto", 6)
    until(lambda: gate.check() == ("auto", "because auto", 6, True, "pre"), "the daemon's return")


def test_a_daemon_that_was_never_there_leaves_the_model_alone_unless_the_service_says_otherwise(made: Any) -> None:
    verdict = made("http://127.0.0.1:9").check()
    assert (verdict.state, verdict.generation, verdict.known) == ("auto", 0, False)
    assert "cannot be reached" in verdict.reason
    assert made("http://127.0.0.1:9", on_start="halt").check().state == "halt"


def test_making_a_gate_waits_no_longer_than_it_is_told_for_a_daemon_that_never_answers(made: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        started = time.monotonic()
        gate = made(f"http://127.0.0.1:{deaf.getsockname()[1]}", wait=0.1)
        assert time.monotonic() - started < 2.0
        assert gate.check().state == "auto" and not gate.wait(0.05)


@pytest.mark.parametrize(
    "body",
    [b"nonsense", b"[]", b"null", b'{"state": "open"}', b'{"state": 1}', b'{"state": "halt", "generation": "x"}',
     b'{"state": "halt", "generation": null, "lease_seconds": 1}', b'{"state": "halt", "lease_seconds": "soon"}',
     b'{"state": "halt", "generation": 1, "lease_seconds": 1, "scopes": 3}',
     b'{"state": "halt", "generation": 1, "lease_seconds": 1, "scopes": [{"part": "version"}]}'],
)  # fmt: skip
def test_an_answer_that_cannot_be_read_is_none(daemon: Any, made: Any, body: bytes) -> None:
    daemon.answer = lambda *_: (200, {}, body)
    verdict = made(daemon.url).check()
    assert (verdict.state, verdict.known) == ("auto", False) and "answer" in verdict.reason


def test_the_past_does_not_replace_the_present_but_tightens_it(daemon: Any, made: Any) -> None:
    daemon.answer = says("review", 7, epoch="2")
    gate = made(daemon.url)
    for past in (says("auto", 6, epoch="2"), says("auto", 99, epoch="1")):
        asked = len(daemon.requests)
        daemon.answer = past
        daemon.wait(asked + 3)
        assert gate.check()[:3] == ("review", "because review", 7)
    daemon.answer = says("halt", 3, epoch="1")
    until(lambda: gate.check().state == "halt", "the stricter of the two")


def test_a_lower_generation_of_a_higher_epoch_is_that_of_a_restored_ledger_and_holds(daemon: Any, made: Any) -> None:
    daemon.answer = says("halt", 7, epoch="1")
    gate = made(daemon.url)
    daemon.answer = says("auto", 2, epoch="2")
    until(lambda: gate.check()[:3] == ("auto", "because auto", 2), "the restored ledger's word")


# -- over a restart -----------------------------------------------------------------------------------------------


def test_a_halt_survives_a_restart_without_the_daemon(daemon: Any, made: Any, state: Path) -> None:
    daemon.answer = says("halt", 4)
    made(daemon.url).close()
    (file,) = state.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    daemon.answer = lambda *_: (503, {}, {"detail": "Not now."})
    verdict = made(daemon.url).check()
    assert (verdict.state, verdict.generation, verdict.known) == ("halt", 4, False)
    assert "not read since the start" in verdict.reason and "Not now" in verdict.reason


def test_the_pack_says_with_what_a_service_begins_and_never_looser_than_last_known(daemon: Any, made: Any) -> None:
    daemon.answer = says("auto", 4, terms={"on_start": "review"})
    gate = made(daemon.url)
    assert gate.check().state == "auto", "it was heard"
    gate.close()
    away = lambda *_: (503, {}, {"detail": "Not now."})  # noqa: E731
    daemon.answer = away
    assert made(daemon.url).check().state == "review"
    assert made(daemon.url, on_start="last").check().state == "auto"


@pytest.mark.parametrize("spoilt", ["other token", "edited", "no json", "open to others", "a link", "a folder"])
def test_a_file_that_cannot_be_trusted_counts_as_review(daemon: Any, made: Any, state: Path, spoilt: str) -> None:
    daemon.answer = says("auto", 4)
    made(daemon.url).close()
    (file,) = state.iterdir()
    token = "another" if spoilt == "other token" else "t"
    if spoilt == "edited":
        file.write_text(file.read_text().replace("because auto", "because why"))
    elif spoilt == "no json":
        file.write_bytes(b"\xff{")
    elif spoilt == "open to others":
        file.chmod(0o644)
    elif spoilt in ("a link", "a folder"):
        other = file.rename(state / "other")
        file.symlink_to(other) if spoilt == "a link" else file.mkdir()
    daemon.answer = lambda *_: (503, {}, {"detail": "Not now."})
    gate = Gate("m", daemon.url, token, wait=5.0)
    assert gate.check().state == "review" and "cannot be trusted" in gate.check().reason
    gate.close()


def test_an_older_process_does_not_overwrite_what_a_newer_one_kept(daemon: Any, made: Any, state: Path) -> None:
    daemon.answer = says("halt", 9)
    made(daemon.url).close()
    (file,) = state.iterdir()
    kept = file.read_bytes()
    slow = made(daemon.url, state_dir="")
    from monitor.client.gate_file import GateFile

    GateFile(state, daemon.url, "m", "t").save(slow._board.reading._replace(generation=8, state="auto"))
    assert file.read_bytes() == kept


def test_a_folder_that_cannot_be_written_to_does_not_stop_the_service(daemon: Any, made: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    daemon.answer = says("review", 2)
    assert made(daemon.url, state_dir=str(tmp_path / "file" / "below")).check().state == "review"


# -- as a part of a service -----------------------------------------------------------------------------------------


def test_a_check_costs_no_more_than_a_few_calls_of_a_method(daemon: Any, made: Any) -> None:
    """Under a microsecond where nothing else runs; by ratio, so that it holds on a busy machine, too."""

    class Plain:
        def __init__(self) -> None:
            self.state = ("auto", 1)

        def get(self) -> Any:
            return self.state

    def cost(call: Callable[[], Any]) -> float:
        began = time.thread_time()
        for _ in range(20_000):
            call()
        return time.thread_time() - began

    daemon.answer = says("auto", 1)
    gate, plain = made(daemon.url, poll=60.0), Plain()
    rounds = [(cost(gate.check), cost(plain.get)) for _ in range(9)]
    assert min(check for check, _ in rounds) < 8 * min(get for _, get in rounds)


def test_a_check_never_asks_the_network(daemon: Any, made: Any) -> None:
    daemon.answer = says("auto", 1, lease=0.0)
    gate = made(daemon.url, poll=60.0)
    until(lambda: bool(acks(daemon)), "the end of the first question")
    asked = len(daemon.requests)
    for n in range(2000):
        gate.check(operation=f"o{n}")
    assert len(daemon.requests) == asked


def test_many_threads_may_check_while_the_gate_changes(daemon: Any, made: Any) -> None:
    daemon.answer = says("review", 1, lease=0.01)
    gate, seen, stop = made(daemon.url, poll=0.005), set(), threading.Event()

    def ask() -> None:
        while not stop.is_set():
            seen.add(gate.check().state)
            seen.add(gate.check(operation="x").state)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    asked = len(daemon.requests)
    daemon.wait(asked + 10)
    stop.set()
    for thread in threads:
        thread.join()
    assert seen == {"review"}


def test_a_gate_that_nobody_holds_any_more_ends_its_thread(daemon: Any) -> None:
    def threads() -> list[threading.Thread]:
        return [thread for thread in threading.enumerate() if thread.name == "overloop-gate"]

    daemon.answer = says("halt", 1)
    assert Gate("m", daemon.url, wait=5.0, poll=0.05).check().state == "halt"
    gc.collect()
    until(lambda: not threads(), "the end of the thread")
    with Gate("m", daemon.url, wait=5.0) as gate:
        assert all(thread.daemon for thread in threads())
    assert not threads() and gate.check().state == "halt"


FORKING = """
import os, sys, time
sys.path.insert(0, {root!r})
from monitor.client import Gate
gate = Gate("m", {url!r}, "t", poll=0.05, wait=5.0)
assert gate.check().state == "review", gate.check()
here, there = os.pipe()
child = os.fork()
if child == 0:
    first = gate.check()
    assert first.state == "review", first
    os.write(there, b"x")
    end = time.monotonic() + 10
    while gate.check().state != "halt":
        assert time.monotonic() < end, gate.check()
        time.sleep(0.01)
    gate.close()
    os._exit(0)
os.read(here, 1)
open({flag!r}, "w").close()
_, status = os.waitpid(child, 0)
end = time.monotonic() + 10
while gate.check().state != "halt":
    assert time.monotonic() < end
    time.sleep(0.01)
gate.close()
sys.exit(os.waitstatus_to_exitcode(status))
"""


def test_a_worker_that_was_forked_listens_for_itself(daemon: Any, tmp_path: Path) -> None:
    flag = tmp_path / "forked"
    daemon.answer = lambda *_: (200, {}, answer("halt", 2) if flag.exists() else answer("review", 1))
    script = FORKING.format(root=str(Path(__file__).parents[2]), url=daemon.url, flag=str(flag))
    environ = {**os.environ, "OVERLOOP_STATE": ""}
    ended = subprocess.run([sys.executable, "-c", script], env=environ, timeout=30, capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")
    workers = {said["client"].split("/")[1] for said in acks(daemon) if said["generation"] == 2}
    assert len(workers) == 2


def test_a_program_with_a_gate_ends_when_it_is_done(daemon: Any) -> None:
    daemon.stream = SimpleQueue()
    daemon.answer = says("auto", 1)
    script = f"from monitor.client import Gate; print(Gate('m', {daemon.url!r}, wait=5.0).check().state)"
    where = {"cwd": Path(__file__).parents[2], "env": {**os.environ, "OVERLOOP_STATE": ""}}
    ended = subprocess.run([sys.executable, "-c", script], timeout=20, capture_output=True, text=True, **where)
    daemon.stream.put(None)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "auto\n", "")


@pytest.mark.parametrize("given", [{"on_stale": "open"}, {"on_start": "auto"}])
def test_what_no_gate_can_fall_back_to_is_refused(given: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="is not what a gate can fall back to: use one of"):
        Gate("m", **given)


def test_what_an_answer_of_the_past_tightens_of_a_part_holds_and_what_it_loosens_does_not() -> None:
    board = Board("3", None, None)
    board.take(Reading("e", 9, "auto", "fine", (Part("operation", "pay", "halt", "now"),)), monotonic())
    past = (Part("version", "3", "halt", "stop"), Part("operation", "pay", "review", "before"))
    assert board.take(Reading("e", 8, "auto", "old", past), monotonic())
    assert (board.at(monotonic()).state, board.at(monotonic()).reason) == ("halt", "stop")
    other = Board("4", None, None)
    other.take(Reading("e", 9, "auto", "fine", (Part("operation", "pay", "halt", "now"),)), monotonic())
    other.take(Reading("e", 8, "auto", "old", past), monotonic())
    assert (other.at(monotonic()).state, other.at(monotonic(), None, "pay").state) == ("auto", "halt")
