"""Alertmanager's API v2, the part that its own tool and dashboards use: alerts, silences, status.

Incidents that are open or in hand are the alerts; a silence made here is a silence made anywhere. Shapes are those of
https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field

import monitor
from monitor.core.changes import Silence
from monitor.core.incidents.matching import Matcher, fit, parse_matcher
from monitor.core.incidents.model import Incident
from monitor.core.incidents.silences import matches, status
from monitor.core.notices.alert import Alert, alert_of
from monitor.core.notices.routes import listeners
from monitor.core.times import rfc3339
from monitor.runtime.desk_errors import Refused
from monitor.store import queries
from monitor.store.ledger import load_view
from monitor.web.api.oversight import moment
from monitor.web.front import Front, Here, Operator, Viewer
from monitor.web.params import Id
from monitor.web.problems import Problem

router = APIRouter(prefix="/api/v2", include_in_schema=False)
STANDS: Final = 240.0  # seconds that an alert which stands is said to stand on
_OURS: Final = {"alertname": "rule"}  # their names for what silences match
Filter = Annotated[list[str] | None, Query(max_length=20)]


class _Matcher(BaseModel):
    name: Annotated[str, Field(max_length=200)]
    value: Annotated[str, Field(max_length=200)]
    isRegex: bool = False  # noqa: N815 - theirs
    isEqual: bool = True  # noqa: N815


class _Posted(BaseModel):
    id: Annotated[str, Field(max_length=100)] | None = None
    matchers: Annotated[list[_Matcher], Field(min_length=1, max_length=20)]
    startsAt: Annotated[str, Field(max_length=60)]  # noqa: N815
    endsAt: Annotated[str, Field(max_length=60)]  # noqa: N815
    createdBy: Annotated[str, Field(max_length=100)] = ""  # noqa: N815
    comment: Annotated[str, Field(max_length=3000)] = ""


@router.get("/alerts")
def alerts(
    here: Here,
    _: Viewer,
    filter: Filter = None,
    active: bool = True,
    silenced: bool = True,
    inhibited: bool = True,
    unprocessed: bool = True,
    receiver: Annotated[str | None, Query(max_length=200)] = None,
) -> Response:
    """Incidents that stand, as alerts. An acknowledged one stands: Alertmanager knows no acknowledgement."""
    try:
        wanted = _parsed(filter)
    except ValueError as problem:
        return _refused(str(problem))
    now = here.now()
    with here.database.read() as connection:
        view = load_view(connection, 0, now)
    found = []
    for incident in sorted(view.incidents.values(), key=lambda each: (-each.opened_at, each.id)):
        if incident.state not in ("open", "acknowledged") or incident.stage == "shadow" or incident.historical:
            continue
        labels = rule_labels(here, incident)
        alert = alert_of(incident, f"{here.public_url.rstrip('/')}/incidents/{incident.id}", labels)
        quiet = [s.id for s in view.silences if status(s, now) == "active" and matches(s, incident)]
        told = [each.receiver.name for each in listeners(incident, here.desk.policy, labels, now)]
        named = receiver is None or any(fit((("r", "=~", receiver),), {"r": name}) for name in told)
        if fit(wanted, alert.labels) and named and (silenced if quiet else active):
            found.append(_alert(alert, incident, list(dict.fromkeys(told)), quiet, now))
    return JSONResponse(found)


@router.get("/silences")
def silences(here: Here, _: Viewer, filter: Filter = None) -> Response:
    """Every silence, also those that have ended. A filter asks for those with exactly such a matcher."""
    try:
        wanted = _parsed(filter)
    except ValueError as problem:
        return _refused(str(problem))
    now = here.now()
    with here.database.read() as connection:
        known = queries.silences(connection)
    shown = [silence for silence in known if all(_theirs(each) in _matchers(silence) for each in wanted)]
    return JSONResponse([_silence(silence, now) for silence in shown])


@router.get("/silence/{id_}")
def silence(here: Here, _: Viewer, id_: Id) -> Response:
    """One silence."""
    with here.database.read() as connection:
        found = next((each for each in queries.silences(connection) if each.id == id_), None)
    return _refused("silence not found", 404) if found is None else JSONResponse(_silence(found, here.now()))


@router.post("/silences")
def add_silence(here: Here, who: Operator, body: _Posted) -> Response:
    """Make a silence; with the id of one that stands, in its place. It is on record under the name of the token."""
    try:
        starts, ends = moment("startsAt", body.startsAt), moment("endsAt", body.endsAt)
        matchers = [(_OURS.get(m.name, m.name), _operator(m), m.value) for m in body.matchers]
        reason = body.comment if body.createdBy in ("", who.user) else f"{body.comment} ({body.createdBy})"
        if not body.comment.strip():
            return _refused("A silence needs a comment: say why nobody should be told.")
        if ends <= here.now():
            return _refused("end time can't be in the past")
        made, _ = here.desk.silence_add(matchers, ends, reason, who.user, who.role, starts_at=starts)
    except Problem as problem:
        return _refused(problem.detail)
    except Refused as refused:
        return _refused(str(refused))
    if body.id:
        here.desk.silence_expire(body.id, who.user, who.role)
    return JSONResponse({"silenceID": made.id})


@router.delete("/silence/{id_}")
def expire_silence(here: Here, who: Operator, id_: Id) -> Response:
    """End a silence now."""
    here.desk.silence_expire(id_, who.user, who.role)
    return Response(status_code=200)


@router.get("/status")
def state(here: Here, _: Viewer) -> Response:
    """What version answers, and that there is no cluster."""
    version = {"version": monitor.__version__, "revision": "", "branch": "", "buildUser": "", "buildDate": ""}
    return JSONResponse(
        {
            "cluster": {"status": "disabled", "peers": []},
            "versionInfo": {**version, "goVersion": "none: this is Overloop"},
            "config": {"original": ""},
            "uptime": rfc3339(here.now()),
        }
    )


@router.get("/receivers")
def receivers(here: Here, _: Viewer) -> Response:
    """Who can be told."""
    return JSONResponse([{"name": receiver.name} for receiver in here.desk.policy.receivers])


def rule_labels(here: Front, incident: Incident) -> Mapping[str, str]:
    """Those of an incident's rule, if there still is one."""
    found = here.book.find(incident.key, incident.model)
    return {} if found is None else found[1].labels


def _parsed(texts: list[str] | None) -> list[Matcher]:
    return [parse_matcher(re.sub(r"^\{(.*)\}$", r"\1", text)) for text in texts or ()]


def _theirs(matcher: Matcher) -> Matcher:
    name, operator, value = matcher
    return _OURS.get(name, name), operator, value


def _matchers(silence: Silence) -> set[Matcher]:
    return set(silence.matchers)


def _operator(matcher: _Matcher) -> str:
    if matcher.isRegex:
        return "=~" if matcher.isEqual else "!~"
    return "=" if matcher.isEqual else "!="


def _alert(alert: Alert, incident: Incident, told: list[str], quiet: list[str], now: float) -> dict[str, Any]:
    held = {"acknowledged_by": incident.acknowledged_by} if incident.state == "acknowledged" else {}
    return {
        "labels": dict(alert.labels),
        "annotations": {**alert.annotations, **{name: text for name, text in held.items() if text}},
        "startsAt": rfc3339(alert.starts_at),
        "updatedAt": rfc3339(incident.evidence_at or incident.changed_at),
        "endsAt": rfc3339(now + STANDS),
        "generatorURL": alert.url,
        "fingerprint": alert.fingerprint,
        "receivers": [{"name": name} for name in told],
        "status": {"state": "suppressed" if quiet else "active", "silencedBy": quiet, "inhibitedBy": []},
    }


def _silence(silence: Silence, now: float) -> dict[str, Any]:
    names = {ours: theirs for theirs, ours in _OURS.items()}
    return {
        "id": silence.id,
        "status": {"state": status(silence, now)},
        "matchers": [
            {"name": names.get(name, name), "value": value, "isRegex": "~" in op, "isEqual": not op.startswith("!")}
            for name, op, value in silence.matchers
        ],
        "startsAt": rfc3339(silence.starts_at),
        "endsAt": rfc3339(silence.ends_at),
        "updatedAt": rfc3339(silence.starts_at),
        "createdBy": silence.created_by,
        "comment": silence.reason,
    }


def _refused(sentence: str, code: int = 400) -> Response:
    """Their errors are texts, which their tool prints."""
    return JSONResponse(sentence, code)
