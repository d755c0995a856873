"""The real daemon tells real receivers of every type, by the routes of a file, and shows none of its secrets."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from live_daemon import ROOT, LiveDaemon, wait_until

RULES = ROOT / "tests" / "web" / "pack"
SECRETS = ("planted-path", "planted-user", "planted-pass", "planted-key", "planted-hook")
FILE = """
public_url = "https://overloop.example"
[receivers.hook]
type = "webhook"
url_env = "HOOK_URL"
key_env = "HOOK_KEY"
ack_links = true
[receivers.broken]
type = "webhook"
url_env = "BROKEN_URL"
fallback = "hook"
[receivers.am]
type = "alertmanager"
url_env = "AM_URL"
[[routes]]
receivers = ["am"]
matchers = ['pack!="overloop"']
continue = true
[[routes]]
receivers = ["broken"]
[notices]
group_wait = "0s"
"""


class Receiver(ThreadingHTTPServer):
    """Keeps what it is sent by path; answers 401 under /broken."""

    daemon_threads = True

    def __init__(self) -> None:
        self.log: list[tuple[str, dict[str, str], bytes]] = []
        super().__init__(("127.0.0.1", 0), _Handler)
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,))
        self._thread.start()

    def sent(self, path: str) -> list[Any]:
        return [json.loads(body) for at, _, body in self.log if at.startswith(path)]

    def stop(self) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.log.append((self.path, dict(self.headers), body))
        self.send_response(401 if self.path.startswith("/broken") else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.stop()


@pytest.fixture
def daemon(receiver: Receiver, tmp_path: Path) -> Iterator[LiveDaemon]:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    (home / "overloop.toml").write_text(FILE)
    base = f"http://planted-user:planted-pass@127.0.0.1:{receiver.server_port}"
    environ = {
        "HOOK_URL": f"{base}/hook/planted-path",
        "HOOK_KEY": "planted-key",
        "BROKEN_URL": f"{base}/broken/planted-path",
        "AM_URL": f"{base}/am",
    }
    live = LiveDaemon(home, [RULES], environ).start()
    yield live
    live.stop()


@pytest.mark.slow
def test_people_are_told_by_whatever_works_and_acknowledge_from_the_message(
    daemon: LiveDaemon, receiver: Receiver
) -> None:
    negative = {"inputs": {"amount": -1.0, "group": "a"}, "output": {"score": 0.5, "label": "yes", "confidence": 0.9}}
    daemon.send({"id": f"n-{n}", "model": "shop-eu", "version": "3", **negative} for n in range(10))
    incident = daemon.incident("NegativeAmounts", "shop-eu")["id"]

    # The receiver of the route refuses; its fallback is called as well, and of the receiver itself another is told.
    called = wait_until(lambda: [s for s in receiver.sent("/hook") if incident in s["overloop"]["text"]], "a call")[0]
    about = daemon.incident("ReceiverFailing", "receiver:broken")["id"]
    wait_until(lambda: [s for s in receiver.sent("/hook") if about in s["overloop"]["text"]], "a call about it")
    assert receiver.sent("/broken"), "it was tried"

    # Signed over what arrived.
    _, headers, body = next(each for each in receiver.log if each[0].startswith("/hook"))
    signed = hmac.new(b"planted-key", headers["Overloop-Timestamp"].encode() + b"." + body, hashlib.sha256)
    assert headers["Overloop-Signature"] == f"v1={signed.hexdigest()}"
    (alert,) = wait_until(lambda: receiver.sent("/am/api/v2/alerts"), "an alert is pushed")[0]
    assert alert["labels"]["incident"] == incident

    # The link in the message acknowledges, without a token, once; whoever was called hears of it.
    texts = [s["overloop"]["text"] for s in receiver.sent("/hook") if s["overloop"]["incident"] == incident]
    link = re.findall(r"/a/[\w.-]+", "\n".join(texts))[0]
    assert "I have it" in fetch(daemon, "GET", link)
    assert daemon.get(f"/v1/incidents/{incident}").json["state"] == "open"
    assert "You have it" in fetch(daemon, "POST", link)
    assert daemon.get(f"/v1/incidents/{incident}").json["acknowledged_by"] == "link:hook"
    assert "used already" in fetch(daemon, "POST", link)
    wait_until(lambda: [s for s in receiver.sent("/hook") if s["overloop"]["reason"] == "acknowledged"], "word of it")
    daemon.post(f"/v1/incidents/{incident}/close", {})
    wait_until(lambda: [a for (a,) in receiver.sent("/am") if a["endsAt"] < alert["endsAt"]], "its end is pushed")
    assert called["version"] == "4"

    # A test goes the same way, and its fate is told.
    done = daemon.cli("receivers", "test", "hook", "-o", "json")
    assert done.returncode == 0 and json.loads(done.stdout)["through"] == "courier", done.stderr
    assert any(s["overloop"]["reason"] == "test" for s in receiver.sent("/hook"))
    refused = daemon.cli("receivers", "test", "broken")
    assert refused.returncode == 1 and "401" in refused.stderr

    shown = [
        daemon.log(), done.stdout, refused.stderr, daemon.cli("receivers", "list").stdout,
        json.dumps(daemon.get("/v1/incidents?limit=100").json), daemon.get("/metrics").body.decode(),
        json.dumps(daemon.get("/v1/audit?limit=1000").json), *texts,
    ]  # fmt: skip
    assert [s for s in SECRETS for text in shown if s in text] == []


def fetch(daemon: LiveDaemon, method: str, path: str) -> str:
    request = urllib.request.Request(daemon.url + path, method=method, data=b"" if method == "POST" else None)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return str(answer.read().decode())
    except urllib.error.HTTPError as problem:
        return str(problem.read().decode())
