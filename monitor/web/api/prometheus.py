"""Prometheus's `/api/v1/rules` and `/api/v1/alerts`: what dashboards read of rules and of what they found.

https://prometheus.io/docs/prometheus/latest/querying/api/#rules
"""

from __future__ import annotations

from collections import defaultdict
from typing import Annotated, Any

from fastapi import APIRouter, Query

from monitor.core.incidents.model import Incident
from monitor.core.notices.alert import alert_of
from monitor.core.rules.model import Pack, Rule
from monitor.core.rules.wording import sentence
from monitor.core.times import rfc3339
from monitor.runtime.pace import TICK
from monitor.store.ledger import load_view
from monitor.web.api.alertmanager import rule_labels
from monitor.web.front import Front, Here, Viewer

router = APIRouter(prefix="/api/v1", include_in_schema=False)
Alerts = dict[str, list[dict[str, Any]]]  # by rule key
Names = Annotated[list[str] | None, Query(max_length=50)]


@router.get("/rules")
def rules(
    here: Here,
    _: Viewer,
    type: Annotated[str | None, Query(max_length=20)] = None,
    rule_name: Annotated[Names, Query(alias="rule_name[]")] = None,
    rule_group: Annotated[Names, Query(alias="rule_group[]")] = None,
) -> dict[str, Any]:
    """Rules in force by pack, each with what stands because of it. There are no recording rules."""
    found = _read(here)
    groups = []
    for pack in here.book.packs:
        kept = [r for r in pack.rules if (not rule_name or r.name in rule_name) and type in (None, "alert")]
        if kept and (not rule_group or pack.name in rule_group):
            groups.append(_group(pack, [_rule(rule, found.get(rule.key, []), here.now()) for rule in kept], here.now()))
    return {"status": "success", "data": {"groups": groups}}


@router.get("/alerts")
def alerts(here: Here, _: Viewer) -> dict[str, Any]:
    """What fires, and what has begun to hold and does not fire yet."""
    found = _read(here)
    return {"status": "success", "data": {"alerts": [alert for key in sorted(found) for alert in found[key]]}}


def _read(here: Front) -> Alerts:
    with here.database.read() as connection:
        view = load_view(connection, 0, here.now())
    found: Alerts = defaultdict(list)
    for incident in sorted(view.incidents.values(), key=lambda each: (each.opened_at, each.id)):
        if incident.state in ("open", "acknowledged") and incident.stage == "live" and not incident.historical:
            found[incident.key].append(_firing(here, incident))
    for state in view.rule_states.values():
        rule = here.book.find(state.rule, state.model)
        if rule is not None and not state.firing and not state.historical and state.muted_since is None:
            found[state.rule].append(_pending(rule[1], state.model, state.segment, state.since))
    return found


def _firing(here: Front, incident: Incident) -> dict[str, Any]:
    alert = alert_of(incident, "", rule_labels(here, incident))
    return _alert(dict(alert.labels), dict(alert.annotations), "firing", alert.starts_at, incident.effect)


def _pending(rule: Rule, model: str, segment: str, since: float) -> dict[str, Any]:
    ours = {"alertname": rule.name, "pack": rule.pack, "model": model, "severity": rule.severity, "segment": segment}
    labels = {name: text for name, text in {**rule.labels, **ours}.items() if text}
    return _alert(labels, dict(rule.annotations), "pending", since, None)


def _alert(
    labels: dict[str, str], annotations: dict[str, str], state: str, since: float, value: float | None
) -> dict[str, Any]:
    shown = "" if value is None else f"{value:e}"
    return {
        "labels": labels,
        "annotations": annotations,
        "state": state,
        "activeAt": rfc3339(since),
        "value": shown,
    }


def _rule(rule: Rule, found: list[dict[str, Any]], now: float) -> dict[str, Any]:
    states = {alert["state"] for alert in found}
    return {
        "type": "alerting",
        "name": rule.name,
        "query": sentence(rule),
        "duration": rule.for_,
        "keepFiringFor": rule.keep_firing_for,
        "labels": {**rule.labels, "severity": rule.severity},
        "annotations": dict(rule.annotations),
        "alerts": found,
        "state": "firing" if "firing" in states else "pending" if states else "inactive",
        "health": "ok",
        "evaluationTime": 0.0,
        "lastEvaluation": rfc3339(now - now % TICK),
    }


def _group(pack: Pack, rules: list[dict[str, Any]], now: float) -> dict[str, Any]:
    return {
        "name": pack.name,
        "file": pack.file,
        "rules": rules,
        "interval": TICK,
        "limit": 0,
        "evaluationTime": 0.0,
        "lastEvaluation": rfc3339(now - now % TICK),
    }
