"""What has happened to an incident, in words: who was told, and everything in the order in which it came."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from monitor.core.changes import Silence
from monitor.core.incidents.model import Incident
from monitor.core.incidents.silences import silencing
from monitor.core.incidents.words import clock_text, duration_text
from monitor.core.notices.holds import held_back, muted
from monitor.core.notices.model import Policy
from monitor.core.notices.routes import listeners
from monitor.core.times import parse_time
from monitor.web.render import nth

Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Moment:
    """One line of a timeline. `by` is a person's name, or "" where the daemon did it by itself."""

    at: str
    text: str
    by: str = ""


REASONS: Final = {
    "opened": "it opened",
    "again": "it came back",
    "worsened": "it became worse",
    "repeat": "it was still open",
    "expired": "nobody had it any more",
    "escalated": "nobody had acted",
    "acknowledged": "somebody had it",
    "recovered": "it went away",
    "closed": "it was closed",
    "reopened": "it was opened again",
    "watch_ended": "it was no longer watched",
}
RESULTS: Final = {
    "pending": "waiting to be sent",
    "sending": "being sent",
    "delivered": "delivered",
    "retry": "failed, and will be tried again",
    "dead": "failed, and was given up",
    "unknown": "sent, but nobody knows whether it arrived",
    "cancelled": "no longer needed",
}
_CLOSED_BECAUSE: Final = {
    "quiet": "it had been over for a while",
    "nobody_looked": "it went away and nobody looked for seven days",
    "watch_ended": "it is no longer watched",
}


def _closed(body: Body, by: str) -> str:
    if not by:
        return f"Closed by itself: {_CLOSED_BECAUSE.get(str(body.get('reason')), 'it was over')}."
    return "Closed again." if body.get("reason") == "closed_before" else "Closed."


def _gate(body: Body, by: str) -> str:
    return f"The gate went from {body.get('from')} to {body.get('to')}: {body.get('reason')}"


SAID: Final[Mapping[str, Callable[[Body, str], str]]] = {
    "incident_opened": lambda body, by: f"Opened, with severity {body.get('severity')}.",
    "incident_again": lambda body, by: f"Came back; open for the {nth(body.get('occurrence'))} time.",
    "incident_worsened": lambda body, by: f"Became worse; its severity is {body.get('severity')}.",
    "incident_cleared": lambda body, by: "What it watches went back to normal.",
    "incident_recovered": lambda body, by: "Went away before anybody had acknowledged it.",
    "incident_closed": _closed,
    "incident_orphaned": lambda body, by: f"No longer watched: {body.get('why', 'its rule or its model is gone')}",
    "acknowledged": lambda body, by: "Acknowledged." if body.get("state") != "closed" else "Acknowledged and closed.",
    "released": lambda body, by: "Gave it back; it is open again.",
    "expired": lambda body, by: "The acknowledgement ran out; it is open again.",
    "escalated": lambda body, by: "Nobody acted, so the next people were told.",
    "reopened": lambda body, by: "Opened it again.",
    "assigned": lambda body, by: f"Made {body.get('to') or 'nobody'} the owner.",
    "verdict": lambda body, by: f"Verdict: {body.get('verdict')}.",
    "rearmed": lambda body, by: "Its detectors watch again.",
    "gate_set": _gate,
    "no_notice": lambda body, by: f"Nobody was told: {body.get('why')}",
}


def timeline(
    found: dict[str, Any], trail: Iterable[dict[str, Any]], deploys: Iterable[dict[str, Any]], people: bool = False
) -> list[Moment]:
    """Everything about an incident in order: entries of the audit log, notes, messages, and deploys of its model.

    With `people` only what people did.
    """
    moments = [_entry(entry) for entry in trail if entry["body"] is not None and entry["kind"] in SAID]
    moments += [Moment(note["at"], f"“{note['text']}”", note["author"]) for note in found["notes"]]
    moments += [_message(notice) for notice in found["notices"]]
    moments += [_deploy(deploy) for deploy in deploys]
    chosen = [moment for moment in moments if moment.by or not people]
    return sorted(chosen, key=lambda moment: parse_time(moment.at))


def _entry(entry: dict[str, Any]) -> Moment:
    by = "" if entry["actor"] == "machine" else entry["actor"]
    return Moment(entry["at"], SAID[entry["kind"]](entry["body"], by), by)


def _message(notice: dict[str, Any]) -> Moment:
    why, result = REASONS.get(notice["reason"], notice["reason"]), RESULTS.get(notice["state"], notice["state"])
    return Moment(notice["at"], f"Message to {notice['target']} that {why}: {result}.")


def _deploy(deploy: dict[str, Any]) -> Moment:
    note = f": {deploy['note']}" if deploy["note"] else "."
    return Moment(deploy["at"], f"Version {deploy['version']} of the model was put in service{note}", deploy["by"])


def told(
    incident: Incident,
    notices: list[dict[str, Any]],
    policy: Policy,
    silences: Iterable[Silence],
    labels: Mapping[str, str],
    at: float,
) -> list[str]:
    """Who was told and with what result, one sentence for each target; or why nobody was by `at`.

    `labels` are those of the rule: routes may ask for them.
    """
    latest = {notice["target"]: notice for notice in sorted(notices, key=lambda notice: str(notice["at"]))}
    if not latest:
        return [_untold(incident, policy, silences, labels, at)]
    return [f"{name}: {RESULTS.get(n['state'], n['state'])}, {_clock(n['at'])}" for name, n in sorted(latest.items())]


def _untold(
    incident: Incident, policy: Policy, silences: Iterable[Silence], labels: Mapping[str, str], at: float
) -> str:
    if incident.stage == "shadow":
        return "Nobody: the rule takes notes in shadow and tells nobody."
    if incident.historical:
        return "Nobody: it is about old events."
    if not policy.receivers:
        return "Nobody: no receiver is set up. Name one in overloop.toml, or in OVERLOOP_NOTIFY."
    called = listeners(incident, policy, labels, at)
    if not called:
        return f"Nobody: no route leads an incident of severity {incident.severity} to a receiver."
    silence = silencing(incident, silences, at)
    if silence is not None:
        return f"Nobody: {silence.created_by} silenced it until {clock_text(silence.ends_at)}: {silence.reason}"
    hold = held_back(incident, policy, labels, at) or muted(called[0].route, policy, at)
    if incident.state == "open" and hold is not None:
        return f"Nobody yet: {hold.why}"
    wait = min(listener.wait for listener in called)
    if incident.state == "open" and at - incident.changed_at < wait:
        return f"Nobody yet: the first message goes out {duration_text(wait)} after the opening."
    return "Nobody yet." if incident.state == "open" else "Nobody: it was over before the first message."


def _clock(text: str) -> str:
    return clock_text(parse_time(text))
