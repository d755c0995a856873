"""From the post of an event to the notice in the target's hands, through a whole daemon and over loopback."""

from __future__ import annotations

import json
import statistics
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from bench.daemon import Running, running
from bench.fleet import bodies
from bench.results import Row, row

PACE = 2.2  # seconds between two messages to one target: the daemon's own pace is one every two
RULES = """pack: latency
models: ["*"]
rules:
- alert: Bad
  count: {of: output.bad == 1, above: 0, over: 10m}
  severity: high
"""
SETTINGS = 'batch_window = "{window}ms"\n[notices]\ngroup_wait = "0s"\n'
WINDOWS = {"": 50, "_small_window": 10}  # milliseconds, by what the names of the rows end with: the default, and less
TARGETS = {"": 500.0, "_small_window": 100.0}  # milliseconds, of the 99th percentile


class Target(ThreadingHTTPServer):
    """Stamps the arrival of each message, by the model it names."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Hook)
        self.arrived: dict[str, float] = {}
        self.came = threading.Condition()
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _Hook(BaseHTTPRequestHandler):
    server: Target

    def do_POST(self) -> None:
        at = time.perf_counter()
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.send_response(200)
        self.end_headers()
        with self.server.came:
            for word in body.replace("\\n", " ").replace('"', " ").replace(".", " ").split():
                if word.startswith("late-"):
                    self.server.arrived.setdefault(word.strip(",:;()"), at)
            self.server.came.notify_all()

    def log_message(self, *_: object) -> None:
        pass


def rows(samples: int, rate: int, seed: int) -> list[Row]:
    """`post_to_notice`: `rate` other events a second come in meanwhile. By default, and with a small `batch_window`."""
    return [one for name in WINDOWS for one in _rows(name, samples, rate, seed)]


def _rows(name: str, samples: int, rate: int, seed: int) -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        rules, home = Path(folder) / "latency", Path(folder) / "home"
        rules.mkdir()
        home.mkdir()
        (rules / "pack.yaml").write_text(RULES)
        (home / "overloop.toml").write_text(SETTINGS.format(window=WINDOWS[name]))
        target = Target()
        address = {"OVERLOOP_NOTIFY": f"json://127.0.0.1:{target.server_port}/hook"}
        with running(home, rules, environment=address) as daemon:
            stop = threading.Event()
            load = threading.Thread(target=_load, args=(daemon, rate, seed, stop))
            load.start()
            try:
                taken = [_sample(daemon, target, number) for number in range(samples + 2)][2:]
            finally:
                stop.set()
                load.join()
        target.shutdown()
    ordered = sorted(taken)
    p99 = ordered[min(len(ordered) - 1, round(0.99 * len(ordered)))]
    told = {"samples": samples, "other_events_a_second": rate, "worst": round(ordered[-1])}
    told |= {"batch_window_ms": WINDOWS[name], "target": f"at most {TARGETS[name]:g} ms"}
    return [
        row(f"post_to_notice{name}_p99", "ms", [p99], TARGETS[name], **told),
        row(f"post_to_notice{name}_median", "ms", [statistics.median(ordered)], TARGETS[name], **told),
    ]


def _sample(daemon: Running, target: Target, number: int) -> float:
    """Milliseconds. Each sample is of a model of its own, so each opens an incident."""
    model = f"late-{number}"
    event = {"id": model, "model": model, "output": {"bad": 1}}
    began = time.perf_counter()
    daemon.post([json.dumps(event).encode()])
    with target.came:
        if not target.came.wait_for(lambda: model in target.arrived, 60.0):
            raise RuntimeError(f"No message about {model} came within a minute.")
    arrived = target.arrived[model]
    time.sleep(PACE)
    return 1e3 * (arrived - began)


def _load(daemon: Running, rate: int, seed: int, stop: threading.Event) -> None:
    """Other models' events, in posts of a tenth of a second's worth."""
    if not rate:
        return
    due = time.monotonic()
    for body in bodies(10, 10, 10**9, seed, max(1, rate // 10)):
        if stop.wait(max(0.0, due - time.monotonic())):
            return
        daemon.post([body])
        due += 0.1
