from __future__ import annotations

import ast
import json
import logging
import multiprocessing
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import monitor.client
from monitor.client import Client
from monitor.client.encode import Unencodable, line

FOLDER = Path(monitor.client.__file__).parent


@pytest.fixture
def client(daemon: Any) -> Iterator[Client]:
    one = Client(daemon.url, "secret-token", linger=0.01)
    yield one
    one.close(1.0)


def test_what_is_logged_arrives_numbered_and_in_order(daemon: Any, client: Client) -> None:
    ids = [client.log("m", {"a": n}, {"y": 1}, id=f"e{n}", version="2", context={"ms": 1.5}) for n in range(5)]
    client.truth("m", ids[0], {"label": 1})
    client.log("m", output={"y": 2})
    assert client.flush(10)
    assert [found["id"] for found in daemon.lines()][:5] == ids == [f"e{n}" for n in range(5)]
    event = daemon.lines()[0]
    assert abs(event.pop("at") - time.time()) < 60
    assert event == {
        "id": "e0",
        "model": "m",
        "version": "2",
        "inputs": {"a": 0},
        "output": {"y": 1},
        "context": {"ms": 1.5},
    }
    assert daemon.lines("/v1/truth") == [{"id": "e0", "model": "m", "truth": {"label": 1}}]
    headers = [request[1] for request in daemon.requests]
    assert [int(h["overloop-sequence"]) for h in headers] == list(range(1, len(headers) + 1))
    assert len({h["overloop-producer"] for h in headers}) == 1
    assert {h["authorization"] for h in headers} == {"Bearer secret-token"}
    assert "secret-token" not in repr(client)
    assert client.stats()[:6] == (7, 0, 7, 0, 0, 0)


def test_many_events_go_in_few_posts(daemon: Any) -> None:
    client = Client(daemon.url, linger=0.2)
    for n in range(2_500):
        client.log("m", {"a": n})
    assert client.flush(10)
    assert len(daemon.lines()) == 2_500 and len(daemon.requests) <= 6
    assert client.close()


def test_a_post_without_an_answer_is_sent_again_as_the_same_bytes(daemon: Any, client: Client) -> None:
    fate = iter([0, 503, 500, 202])

    def answer(path: str, headers: dict[str, str], body: bytes) -> Any:
        status = next(fate)
        return daemon.accept(path, headers, body) if status == 202 else (status, {}, {"detail": "later"})

    daemon.answer = answer
    client.log("m", {"a": 1})
    assert client.flush(10)
    assert len(daemon.requests) == 4
    assert len({(headers["overloop-sequence"], body) for _, headers, body in daemon.requests}) == 1


def test_retry_after_is_honoured_and_the_reason_is_shown(daemon: Any) -> None:
    daemon.answer = lambda *_: (503, {"Retry-After": "30"}, {"detail": "The disk is full."})
    client = Client(daemon.url, linger=0.0)
    client.log("m", {"a": 1})
    daemon.wait(1)
    before = time.monotonic()
    assert not client.close(0.3)
    assert time.monotonic() - before < 2.0
    assert len(daemon.requests) == 1
    assert client.stats().trouble == "The disk is full." and client.stats().dropped == 1


def test_a_batch_that_can_never_be_taken_is_given_up_and_reported(
    daemon: Any, caplog: pytest.LogCaptureFixture
) -> None:
    daemon.answer = lambda *_: (413, {}, {"detail": "A body may have 32 MB."})
    client = Client(daemon.url, linger=0.0)
    client.log("m", {"a": 1})
    assert client.flush(10)
    assert not client.close() or client.stats().dropped == 1
    assert "1 events did not reach Overloop" in caplog.text and "A body may have 32 MB." in caplog.text


def test_rejected_lines_are_counted_and_the_first_reason_is_reported(
    daemon: Any, caplog: pytest.LogCaptureFixture
) -> None:
    rejected = [{"line": 1, "reason": "The key id is missing."}]
    daemon.answer = lambda *_: (202, {}, {"accepted": 0, "rejected": rejected, "duplicates": 1})
    client = Client(daemon.url, linger=0.0)
    client.log("m", {"a": 1})
    client.close()
    assert client.stats().rejected == 1 and client.stats().duplicates == 1
    assert "line 1: The key id is missing." in caplog.text


@pytest.mark.parametrize("answer", [b"not json", b"[1]", b"null", b'{"accepted": "many", "rejected": 7}'])
def test_a_strange_answer_does_not_end_the_thread(daemon: Any, client: Client, answer: bytes) -> None:
    daemon.answer = lambda *_: (202, {}, answer)
    logging.getLogger("overloop_client").disabled = True
    try:
        client.log("m", {"a": 1})
        assert client.flush(10)
        daemon.answer = daemon.accept
        client.log("m", {"a": 2})
        assert client.flush(10)
        assert len(daemon.requests) == 2
    finally:
        logging.getLogger("overloop_client").disabled = False


def test_the_queue_is_bounded_and_what_is_dropped_is_counted(daemon: Any, caplog: pytest.LogCaptureFixture) -> None:
    release = threading.Event()

    def answer(*request: Any) -> Any:
        release.wait(10)
        return daemon.accept(*request)

    daemon.answer = answer
    client = Client(daemon.url, linger=0.0, queue_events=50, queue_bytes=1 << 20)
    started = time.monotonic()
    for n in range(1_000):
        client.log("m", {"a": n})
    assert time.monotonic() - started < 1.0  # the model does not wait
    stats = client.stats()
    assert stats.logged == 1_000 and stats.waiting == 50 and stats.dropped == 950
    release.set()
    assert client.close()
    assert len(daemon.lines()) == 50
    assert "950 events did not reach Overloop" in caplog.text and "faster than they can be sent" in caplog.text


def test_the_bytes_that_wait_are_bounded_too(daemon: Any) -> None:
    client = Client(daemon.url, linger=5.0, queue_bytes=10_000)
    for _ in range(100):
        client.log("m", {"text": "x" * 500})
    assert client.stats().waiting < 20 and client.stats().dropped > 80
    client.close()


def test_nobody_listening_neither_blocks_nor_raises() -> None:
    client = Client("http://127.0.0.1:9", linger=0.0)
    started = time.monotonic()
    for n in range(200):
        client.log("m", {"a": n})
    assert time.monotonic() - started < 0.5
    assert not client.flush(0.1)
    assert not client.close(0.2)
    assert client.stats().dropped == 200
    client.log("m", {"a": 1})
    assert client.stats().dropped == 201


class Hostile:
    def __str__(self) -> str:
        raise RuntimeError("no text")


def test_nothing_that_is_logged_can_raise_into_the_model(daemon: Any, client: Client) -> None:
    circle: dict[str, Any] = {}
    circle["self"] = circle
    for inputs in (circle, {"x": Hostile()}, {("a", "b"): 1}, {"x": "\ud800"}):
        client.log("m", inputs)
    client.log("m", {"good": 1})
    assert client.flush(10)
    assert client.stats().dropped >= 3
    assert daemon.lines()[-1]["inputs"] == {"good": 1}


def test_values_of_other_libraries_become_plain_json() -> None:
    fields = {
        "np": np.float32(1.5),
        "int": np.int64(7),
        "array": np.array([1.0, np.nan]),
        "nan": float("nan"),
        "inf": [float("inf"), -float("inf")],
        "npnan": np.float64("nan"),
        "when": datetime(2026, 1, 2, tzinfo=UTC),
        "set": {2, 1},
        "path": Path("/x"),
        "none": None,
        "tuple": (1, 2),
    }
    assert json.loads(line({"inputs": fields}))["inputs"] == {
        "np": 1.5,
        "int": 7,
        "array": [1.0, "NaN"],
        "nan": "NaN",
        "inf": ["Infinity", "-Infinity"],
        "npnan": "NaN",
        "when": "2026-01-02T00:00:00+00:00",
        "set": [1, 2],
        "path": "/x",
        "none": None,
        "tuple": [1, 2],
    }
    with pytest.raises(Unencodable):
        line({"x": {("a",): float("nan")}})


def test_an_address_that_is_none_is_refused_when_it_is_given() -> None:
    with pytest.raises(ValueError, match="is no address of an Overloop daemon"):
        Client("localhost:8420")


def test_the_child_of_a_fork_sends_under_its_own_name_and_nothing_twice(daemon: Any) -> None:
    script = f"""
import os, sys, time
from monitor.client import Client
client = Client({daemon.url!r}, linger=30.0)
client.log("m", id="parent-1")
pid = os.fork()
client.log("m", id="child" if pid == 0 else "parent-2")
client.close()
if pid == 0:
    os._exit(0)
os.waitpid(pid, 0)
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=30)
    assert sorted(found["id"] for found in daemon.lines()) == ["child", "parent-1", "parent-2"]
    assert len({request[1]["overloop-producer"] for request in daemon.requests}) == 2


def _work(url: str) -> None:
    Client(url, linger=30.0).log("m", id=f"worker-{os.getpid()}")


def test_a_worker_of_multiprocessing_flushes_when_it_ends(daemon: Any) -> None:
    workers = [multiprocessing.get_context("spawn").Process(target=_work, args=(daemon.url,)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(30)
    assert {found["id"] for found in daemon.lines()} == {f"worker-{worker.pid}" for worker in workers}


@pytest.mark.parametrize("alive", [True, False])
def test_the_end_of_the_process_flushes_within_a_bound(daemon: Any, alive: bool) -> None:
    script = """
import monitor.client as overloop
for n in range(300):
    overloop.log("m", {"a": n})
overloop.truth("m", "x", {"y": 1})
"""
    url = daemon.url if alive else "http://127.0.0.1:9"
    started = time.monotonic()
    subprocess.run([sys.executable, "-c", script], check=True, timeout=30, env={**os.environ, "OVERLOOP_URL": url})
    assert time.monotonic() - started < 8
    if alive:
        assert len(daemon.lines()) == 300 and len(daemon.lines("/v1/truth")) == 1


def test_the_modules_functions_use_one_client_that_configure_replaces(daemon: Any) -> None:
    script = f"""
import monitor.client as overloop
overloop.log("m", {{"a": 1}})       # OVERLOOP_URL is no address: said in the log, and the model goes on
assert overloop.stats().dropped == 1
overloop.configure({daemon.url!r}, "t", linger=0.0)
id_ = overloop.log("m", {{"a": 2}})
overloop.truth("m", id_, {{"y": 1}})
assert overloop.flush(10)
assert overloop.stats().accepted == 2, overloop.stats()
"""
    environment = {**os.environ, "OVERLOOP_URL": "no address"}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, timeout=30)
    assert done.returncode == 0, done.stderr
    assert "Nothing is sent to Overloop: 'no address' is no address" in done.stderr
    assert len(daemon.lines()) == 1


def test_importing_takes_under_a_tenth_of_a_second_and_the_standard_library_only() -> None:
    script = """
import sys, time
start = time.perf_counter()
import monitor.client
took = time.perf_counter() - start
there = {"monitor", "__main__", "site", "sitecustomize", "usercustomize"}  # the last two are the machine's own
foreign = {name.split(".")[0] for name in sys.modules} - set(sys.stdlib_module_names) - there
print(took, sorted(name for name in foreign if not name.startswith("_")))
"""
    command = [sys.executable, "-I", "-c", "import sys; sys.path.insert(0, '.')\n" + script]
    runs = [subprocess.run(command, capture_output=True, text=True, check=True).stdout.split(" ", 1) for _ in range(3)]
    assert min(float(took) for took, _ in runs) < 0.1
    assert runs[0][1].strip() == "[]"


def test_the_source_is_python_3_9_and_imports_itself_relatively() -> None:
    for path in FOLDER.glob("*.py"):
        tree = ast.parse(path.read_text(), feature_version=(3, 9))
        assert "from __future__ import annotations" in path.read_text()
        for node in ast.walk(tree):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module or ""]
            assert all(name.split(".")[0] in sys.stdlib_module_names for name in names), (path, names)


def test_logging_costs_the_model_little(daemon: Any) -> None:
    client = Client(daemon.url, linger=0.05, queue_events=10**6)
    inputs = {f"feature_{n}": n / 7 for n in range(14)}
    started = time.perf_counter()
    for _ in range(2_000):
        client.log("m", inputs, {"label": "ok", "confidence": 0.5})
    each = (time.perf_counter() - started) / 2_000
    client.close()
    assert each < 0.001  # seconds; about 20 microseconds on an idle machine
