"""A daemon with secrets planted wherever it takes any shows none of them, and links name the port it really has."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from daemon_process import ROOT, WAIT, Daemon, Receiver, until

Make = Callable[..., Daemon]

TOML = """
[receivers.good]
url_env = "GOOD"
[receivers.broken]
url_env = "BROKEN"
[receivers.nowhere]
url_env = "NOWHERE"
[receivers.pd]
type = "pagerduty"
key_env = "PD"
hook_env = "PD_HOOK"
[receivers.hook]
type = "webhook"
url_env = "HOOK"
key_env = "HOOK_KEY"
[[routes]]
receivers = ["good", "broken", "nowhere", "hook"]
[[routes]]
receivers = ["pd"]
matchers = ['severity="critical"']
[heartbeat]
url_env = "PING"
every = "5s"
[notices]
group_wait = "0s"
"""
COLUMNS = {"password": "Pl4ntedPassword", "card": {"number": "Pl4ntedCard"}, "api_key": ["Pl4ntedApiKey"]}
LOW = [{"id": f"e{i}", "model": "m", "inputs": COLUMNS, "output": {"confidence": 0.1}} for i in range(6)]
PAGES = ("/incidents", "/incidents/{id}", "/models", "/models/m", "/rules", "/login?t=x", "/a/x.y")
ROUTES = (
    "/v1/incidents", "/v1/incidents/{id}", "/v1/tokens", "/v1/tokens?kind=login", "/v1/users", "/v1/audit?limit=1000",
    "/v1/models", "/v1/models/m", "/v1/references", "/v1/receivers", "/-/engine", "/v1/accounting", "/openapi.json",
    "/api/v2/alerts", "/api/v2/status", "/api/v2/receivers", "/api/v1/rules", "/api/v1/alerts",
)  # fmt: skip
WRONG = (  # and what is said to those who ask for it
    ("/v1/receivers/nobody/test", {}),
    ("/v1/receivers/nowhere/test", {}),
    ("/hooks/pagerduty/pd", {"event": {}}),
    ("/v1/silences", {"matchers": []}),
    ("/v1/references/fit", {"model": "m", "fitted": {"tests/Low": "AAAA"}, "reason": "r"}),
)


def ran(daemon: Daemon, *command: str) -> str:
    """What a command on this home prints, all of it."""
    environ = {**daemon.environ, "OVERLOOP_HOME": str(daemon.home), "PYTHONPATH": str(ROOT)}
    asked = [sys.executable, "-m", "monitor.cli", *command]
    done = subprocess.run(
        asked, capture_output=True, text=True, env=environ, cwd=daemon.folder, timeout=60, check=False
    )
    return done.stdout + done.stderr


def files(folder: Path) -> list[Path]:
    """Those that are not meant to hold a secret."""
    kept = ("token", "secret.key", "audit.key", "link.key")
    return [path for path in folder.rglob("*") if path.is_file() and path.name not in kept]


def free_port_daemon(daemon: Daemon) -> Daemon:
    """Started on any free port; the one it got is found as commands find it."""
    daemon.port = 0
    daemon.launch()
    url = daemon.home / "run" / "url"
    daemon.port = int(until(lambda: url.exists() and url.read_text().strip(), "there is no address").rpartition(":")[2])
    daemon.ready()
    return daemon


def test_planted_secrets_show_up_nowhere_and_links_name_the_real_port(make_daemon: Make, receiver: Receiver) -> None:
    environ = {
        "GOOD": f"{receiver.url}/Pl4ntedGood",
        "BROKEN": "slak://Pl4ntedBroken/x",
        "NOWHERE": "json://user:Pl4ntedNowhere@127.0.0.1:1/hook",
        "PING": "http://127.0.0.1:1/Pl4ntedPing",
        "PD": "Pl4ntedRoutingKey",
        "PD_HOOK": "Pl4ntedHookSecret",
        "HOOK": "http://kim:Pl4ntedLogin@127.0.0.1:1/Pl4ntedPath?k=Pl4ntedQuery",
        "HOOK_KEY": "Pl4ntedSigningKey",
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
    status, made = daemon.ask("/v1/tokens", {"user": "kim", "role": "viewer"})
    assert status == 201
    answers = [daemon.ask(path.format(id=incident["id"])) for path in ROUTES]
    assert [status for status, _ in answers] == [200] * len(answers)
    refusals = [daemon.ask(path, body) for path, body in WRONG]
    assert all(400 <= status < 500 or status == 202 for status, _ in refusals), refusals
    pages = [daemon.page(path.format(id=incident["id"])) for path in PAGES]
    assert incident["id"] in pages[1]
    metrics = daemon.text("/metrics")
    assert "overloop_notifications" in metrics
    out = [daemon.folder / "backup", daemon.folder / "export"]
    commands = [
        ran(daemon, *command)
        for command in (
            ("doctor",), ("routes", "show"), ("incident", "show", incident["id"]), ("events", "tail"), ("gate", "show", "m"),
            ("receivers", "test", "hook"), ("backup", str(out[0])), ("audit", "export", "--out", str(out[1])),
            ("report", "oversight", "--model", "m", "--period", "30d", "-o", "html"),
        )
    ]  # fmt: skip
    assert "Entries 0 to" in commands[-2] and "<html" in commands[-1], commands
    assert daemon.stop() == 0
    keys = [path.read_bytes().strip() for path in daemon.home.glob("*.key")]
    assert keys and all(len(key) >= 16 for key in keys)
    said = [*answers, *refusals, pages, metrics, commands, daemon.log.read_text()]
    shown = [str(text).encode() for text in said]
    shown += [path.read_bytes() for folder in (daemon.home, *out) for path in files(folder)]
    for hidden in (b"Pl4nted", secret.encode(), token.encode(), made["token"].encode(), *keys):
        assert not [text[:200] for text in shown if hidden in text], hidden
