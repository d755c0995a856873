"""A daemon with secrets planted wherever it takes any shows none of them, and links name the port it really has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from daemon_process import WAIT, Daemon, Receiver, until

Make = Callable[..., Daemon]

TOML = """
[receivers.good]
url_env = "GOOD"
[receivers.broken]
url_env = "BROKEN"
[receivers.nowhere]
url_env = "NOWHERE"
[heartbeat]
url_env = "PING"
every = "5s"
[notices]
group_wait = "0s"
"""
LOW = [{"id": f"e{i}", "model": "m", "output": {"confidence": 0.1}} for i in range(6)]


def free_port_daemon(daemon: Daemon) -> Daemon:
    """Started on any free port; the one it got is found as commands find it."""
    daemon.port = 0
    daemon.launch()
    url = daemon.home / "run" / "url"
    daemon.port = int(until(lambda: url.exists() and url.read_text().strip(), "there is no address").rpartition(":")[2])
    daemon.ready()
    return daemon


def test_planted_secrets_show_up_nowhere_and_links_name_the_real_port(make_daemon: Make, receiver: Receiver) -> None:
    planted = ["Pl4ntedGood", "Pl4ntedBroken", "Pl4ntedNowhere", "Pl4ntedPing"]
    environ = {
        "GOOD": f"{receiver.url}/Pl4ntedGood",
        "BROKEN": "slak://Pl4ntedBroken/x",
        "NOWHERE": "json://user:Pl4ntedNowhere@127.0.0.1:1/hook",
        "PING": "http://127.0.0.1:1/Pl4ntedPing",
    }
    daemon = free_port_daemon(make_daemon(environ=environ, toml=TOML))
    daemon.accept(*LOW)
    incident = daemon.incident()
    until(lambda: receiver.messages, "nobody was told")
    until(lambda: daemon.said("job_failed"), "the heartbeat has not failed", WAIT)

    base = f"http://127.0.0.1:{daemon.port}"
    status, link = daemon.ask("/v1/login-links", {})
    assert status == 201 and link["url"].startswith(f"{base}/login?t=")
    assert f"{base}/incidents/{incident['id']}" in str(receiver.messages)
    assert f"The console is at {base};" in daemon.log.read_text()

    def failed() -> bool:
        notices: list[dict[str, Any]] = daemon.ask(f"/v1/incidents/{incident['id']}")[1]["notices"]
        return any(n["target"] == "broken" and n["state"] == "retry" for n in notices)

    until(failed, "the broken receiver is not on record")
    secret = link["url"].split("t=")[1].split("&")[0]
    token = (daemon.home / "token").read_text().strip()
    answers = [daemon.ask(path) for path in (
        "/v1/incidents", f"/v1/incidents/{incident['id']}", "/v1/tokens", "/v1/tokens?kind=login", "/v1/users",
        "/v1/audit?limit=1000", "/v1/models", "/-/engine", "/v1/accounting", "/openapi.json",
    )]  # fmt: skip
    assert [status for status, _ in answers] == [200] * len(answers)
    metrics = daemon.text("/metrics")
    assert "overloop_notifications" in metrics
    assert daemon.stop() == 0
    kept = [path for path in daemon.home.rglob("*") if path.is_file() and path.name not in ("token", "secret.key")]
    shown = [daemon.log.read_bytes(), str(answers).encode(), metrics.encode(), *(path.read_bytes() for path in kept)]
    for hidden in (*planted, secret, token):
        assert not [text for text in shown if hidden.encode() in text], hidden
