"""Alertmanager's API, by the real amtool where it is installed, and what Prometheus's own clients read."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from monitor.core.times import rfc3339

Site = Any  # of conftest
AMTOOL = shutil.which("amtool")


@pytest.fixture
def amtool(site: Site, tmp_path: Path) -> Iterator[Callable[..., subprocess.CompletedProcess[str]]]:
    """Runs amtool against the site, behind a server of its own, as an operator."""
    if AMTOOL is None:
        pytest.skip("there is no amtool on this machine")
    (tmp_path / "http.yml").write_text(f"authorization:\n  credentials: {site.token('operator')}\n")
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(site.app, log_config=None, lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [AMTOOL, f"--alertmanager.url={url}", f"--http.config.file={tmp_path / 'http.yml'}", *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=30, env={"HOME": str(tmp_path)})

    yield run
    server.should_exit = True
    thread.join(10)
    listener.close()


@pytest.mark.prometheus
def test_amtool_lists_alerts_and_makes_lists_and_ends_silences(site: Site, amtool: Any) -> None:
    site.model()
    site.incident("NegativeAmounts")
    listed = amtool("alert", "query", "-o", "json", "alertname=NegativeAmounts")
    assert listed.returncode == 0, listed.stderr
    (alert,) = json.loads(listed.stdout)
    assert alert["labels"]["model"] == "shop-eu" and alert["status"]["state"] == "active"
    assert json.loads(amtool("alert", "query", "-o", "json", "model=~other.*").stdout) == []

    made = amtool("silence", "add", "-d", "2h", "-c", "The feed moves.", "-a", "kim", "model=~shop-.*", "severity!=low")
    assert made.returncode == 0, made.stderr
    (known,) = site.get("/v1/silences").json()["silences"]
    assert made.stdout.strip() == known["id"] and known["reason"] == "The feed moves. (kim)"
    assert known["created_by"] == "a-operator", "it is on record under the name of the token"
    site.clock.at = time.time()
    assert json.loads(amtool("alert", "query", "-o", "json").stdout) == [], "silenced alerts are asked for with -s"
    (alert,) = json.loads(amtool("alert", "query", "-o", "json", "-s").stdout)
    assert alert["status"] == {"state": "suppressed", "silencedBy": [known["id"]], "inhibitedBy": []}

    (silence,) = json.loads(amtool("silence", "query", "-o", "json").stdout)
    assert silence["status"]["state"] == "active" and len(silence["matchers"]) == 2
    site.clock.at = time.time()
    ended = amtool("silence", "expire", known["id"])
    assert ended.returncode == 0, ended.stderr
    assert json.loads(amtool("silence", "query", "-o", "json").stdout) == []
    assert len(json.loads(amtool("silence", "query", "-o", "json", "--expired").stdout)) == 1
    assert len(json.loads(amtool("alert", "query", "-o", "json").stdout)) == 1


@pytest.mark.prometheus
def test_amtool_prints_why_a_silence_is_refused(amtool: Any) -> None:
    refused = amtool("silence", "add", "-d", "2h", "-c", "x", "team=risk")
    assert refused.returncode != 0 and "A silence cannot match 'team'" in refused.stderr
    assert amtool("silence", "expire", "nothing-there").returncode != 0


@pytest.mark.prometheus
def test_amtool_imports_and_updates_silences(site: Site, amtool: Any) -> None:
    made = amtool("silence", "add", "-d", "1h", "-c", "x", "alertname=NegativeAmounts").stdout.strip()
    (before,) = site.get("/v1/silences").json()["silences"]
    assert before["matchers"] == [{"name": "rule", "operator": "=", "value": "NegativeAmounts"}]
    updated = amtool("silence", "update", "-d", "3h", made)
    assert updated.returncode == 0, updated.stderr
    (after,) = site.get("/v1/silences").json()["silences"]
    assert after["id"] != made and after["ends_at"] > before["ends_at"]


def body(**changes: Any) -> dict[str, Any]:
    matcher = {"name": "model", "value": "shop-eu", "isRegex": False, "isEqual": True}
    now = time.time()
    silence = {"matchers": [matcher], "startsAt": rfc3339(now), "endsAt": rfc3339(now + 3600), "comment": "x"}
    return {**silence, "createdBy": "", **changes}


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"comment": " "}, "needs a comment"), ({"endsAt": "2020-01-01T00:00:00Z"}, "end time can't be in the past"),
     ({"startsAt": "noon"}, "startsAt: 'noon' is no RFC 3339"),
     ({"matchers": [{"name": "model", "value": "(", "isRegex": True}]}, "cannot be used")],
)  # fmt: skip
def test_what_is_no_silence_is_refused_with_a_text(site: Site, changes: dict[str, Any], said: str) -> None:
    answer = site.post("/api/v2/silences", body(**changes), role="operator")
    assert answer.status_code == 400 and said in answer.json()


def test_alerts_are_filtered_as_asked(site: Site) -> None:
    site.model()
    id_ = site.incident("NegativeAmounts")
    asked = "/api/v2/alerts?filter="
    assert [a["labels"]["incident"] for a in site.get(asked + 'model="shop-eu"').json()] == [id_]
    assert site.get(asked + 'model!="shop-eu"').json() == []
    assert site.get(asked + "nonsense").status_code == 400
    assert site.get("/api/v2/alerts?active=false").json() == []
    site.post(f"/v1/incidents/{id_}/acknowledge", {})
    (alert,) = site.get("/api/v2/alerts").json()
    assert alert["annotations"]["acknowledged_by"] == "admin", "it stands, somebody has it"
    site.post(f"/v1/incidents/{id_}/close", {})
    assert site.get("/api/v2/alerts").json() == []


def test_the_status_says_what_answers(site: Site) -> None:
    said = site.get("/api/v2/status").json()
    assert said["cluster"]["status"] == "disabled" and said["versionInfo"]["version"]
    assert site.get("/api/v2/receivers").json() == []


def test_prometheus_clients_read_rules_and_alerts(site: Site) -> None:
    site.model()
    site.incident("NegativeAmounts")
    answer = site.get("/api/v1/rules").json()
    assert answer["status"] == "success"
    rules = {rule["name"]: rule for group in answer["data"]["groups"] for rule in group["rules"]}
    fires = rules.pop("NegativeAmounts")
    assert (fires["state"], fires["type"], len(fires["alerts"])) == ("firing", "alerting", 1)
    assert fires["query"].startswith("Trips when") and fires["labels"]["severity"]
    assert {rule["state"] for rule in rules.values()} == {"inactive"}
    (alert,) = site.get("/api/v1/alerts").json()["data"]["alerts"]
    assert alert["state"] == "firing" and alert["labels"]["alertname"] == "NegativeAmounts"


def test_rules_are_asked_for_by_name_group_and_type(site: Site) -> None:
    def names(query: str) -> set[str]:
        groups = site.get(f"/api/v1/rules?{query}").json()["data"]["groups"]
        return {rule["name"] for group in groups for rule in group["rules"]}

    assert names("rule_name[]=NegativeAmounts") == {"NegativeAmounts"}
    assert names("type=record") == set() and names("rule_group[]=other") == set()
    assert names("type=alert") == names("")
