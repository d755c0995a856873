"""A notice in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from monitor.core.findings import Evidence
from monitor.core.incidents.model import Incident
from monitor.core.incidents.words import clock_text, comparison
from monitor.core.notices.clean import clean
from monitor.core.notices.model import Kept, Notice
from monitor.core.rules.model import Severity

_TITLE: Final = 160
_BODY: Final = 4000  # characters; what several chats and text messages still take
_SHOWN: Final = 5  # pieces of evidence in one message


@dataclass(frozen=True, slots=True)
class Message:
    """Ready to send; plain text."""

    title: str
    body: str
    severity: Severity


@dataclass(frozen=True, slots=True)
class Links:
    """What links in a message are built from; `public_url` has no trailing slash. Without it there are none."""

    public_url: str | None = None

    def incident(self, id_: str) -> str | None:
        return f"{self.public_url.rstrip('/')}/incidents/{id_}" if self.public_url else None


def render(
    notice: Notice,
    incident: Incident,
    evidence: Sequence[Evidence],
    links: Links,
    head: tuple[int, str] | None,
    others: Sequence[Kept] = (),
    acknowledge: str | None = None,
) -> Message:
    """The message for a notice: what happened, against what expectation, since when, what to do, where to look.

    `evidence` is worst first. `head` is the audit log's size and root (hex): a witness in every message. `others` are
    the notices of the incident to the same receiver. `acknowledge` is a link that does so without signing in.
    """
    model = clean(incident.model, 80)
    title = clean(f"{_HEADINGS[notice.reason]}: {model}, {incident.rule} ({incident.severity})", _TITLE)
    opening = _opening(notice, incident) + _meanwhile(notice, incident, others)
    parts = [opening, clean(incident.summary, 1000, lines=True)]
    if _needs_work(notice, incident):
        parts += [_seen(evidence), _text("What it means", incident.meaning), _text("What to do", incident.action)]
        parts.append(_text("Runbook", incident.runbook_url or ""))
    facts = "\n".join(filter(None, [_facts(incident), _link(incident, links), _ack(acknowledge), witness(head)]))
    body = "\n\n".join(filter(None, parts))
    return Message(title, _fit(body, _BODY - len(facts) - 2) + "\n\n" + facts, incident.severity)


_HEADINGS: Final = {
    "opened": "New incident",
    "again": "It came back",
    "worsened": "It became worse",
    "repeat": "Still open",
    "expired": "Nobody has it any more",
    "escalated": "Nobody has acted",
    "acknowledged": "Somebody has it",
    "recovered": "It went away",
    "closed": "Closed",
    "reopened": "Opened again",
    "watch_ended": "No longer watched",
    "test": "Test message",
}


def _needs_work(notice: Notice, incident: Incident) -> bool:
    return notice.reason not in ("acknowledged", "recovered", "closed") and incident.state != "closed"


def _opening(notice: Notice, incident: Incident) -> str:
    """Why this message comes now: who did what, or what changed."""
    since = clock_text(incident.changed_at)
    sentences = {
        "opened": f"A person is needed: an incident of severity {incident.severity} is open.",
        "again": f"It had gone away and came back at {since}. It is open for the {_nth(incident.occurrence)} time.",
        "worsened": f"It became worse or changed further, at {_moment(incident.worsened_at)}, after people had looked.",
        "repeat": f"It has been open since {since} and nobody has acknowledged it.",
        "expired": f"Nobody has had it in hand since {since}: the acknowledgement ran out or was given back.",
        "escalated": f"It has been open since {since} and nobody has acted on it.",
        "acknowledged": _acknowledged(incident),
        "recovered": f"The condition went away at {since}, before anybody had acknowledged it.",
        "closed": _closed(incident),
        "reopened": f"A person opened it again at {since}.",
        "watch_ended": f"It is no longer watched: {clean(incident.orphaned or '', 300)} A person has to close it.",
        "test": "This is a test message that somebody asked for. Nothing is wrong.",
    }
    sentence = sentences[notice.reason]
    if notice.reason != "recovered" and incident.state == "recovered":
        sentence += f" The condition went away at {since}; this message could not be sent before."
    return sentence


def _meanwhile(notice: Notice, incident: Incident, others: Sequence[Kept]) -> str:
    """What came and went since the receiver last heard of the incident, and was not told one by one."""
    heard = [other.notice for other in others if other.state in ("delivered", "unknown")]
    if notice.reason not in ("again", "recovered") or not heard:
        return ""
    last = max(heard, key=lambda other: (other.created_at, other.occurrence))
    times = incident.occurrence - last.occurrence - (incident.state == "open")
    if times < 1:
        return ""
    often = "once" if times == 1 else f"{times:,} times"
    return f" It opened and recovered {often} since the last message, of {clock_text(last.created_at)}."


def _acknowledged(incident: Incident) -> str:
    until = "" if incident.acknowledged_until is None else f" until {clock_text(incident.acknowledged_until)}"
    return f"{_who(incident.acknowledged_by)} has it in hand since {_moment(incident.acknowledged_at)}{until}."


def _closed(incident: Incident) -> str:
    verdict = f" The verdict is: {incident.verdict}." if incident.verdict else ""
    at = _moment(incident.closed_at)
    if incident.closed_by == "machine":
        return f"It closed by itself at {at}: it was acknowledged and its condition has gone away.{verdict}"
    return f"{_who(incident.closed_by)} closed it at {at}.{verdict}"


def _seen(evidence: Sequence[Evidence]) -> str:
    lines = [f"- {comparison(item)}, at {clock_text(item.at)}" for item in evidence[:_SHOWN]]
    more = len(evidence) - _SHOWN
    if more > 0:
        lines.append(f"- and {more:,} more")
    return "\n".join(["What was seen:", *lines]) if lines else ""


def _text(heading: str, text: str) -> str:
    kept = clean(text, 1000, lines=True)
    return f"{heading}: {kept}" if kept else ""


def _facts(incident: Incident) -> str:
    model = clean(incident.model, 80)
    version = f" version {clean(incident.version, 80)}" if incident.version else ""
    owner = f"Owner: {clean(incident.owner, 80)}\n" if incident.owner else ""
    return (
        f"Model: {model}{version}\n{owner}Rule: {clean(incident.key)}\n"
        f"Noticed: {clock_text(incident.opened_at)}\nIncident: {incident.id}"
    )


def _link(incident: Incident, links: Links) -> str:
    return links.incident(incident.id) or ""


def _ack(link: str | None) -> str:
    return f"I have it (once, without signing in): {link}" if link else ""


def witness(head: tuple[int, str] | None) -> str:
    """The audit log's size and root, short: whoever keeps the message can hold the log to it."""
    return "" if head is None else f"audit {head[0]} {head[1][:8]}"


def _who(name: str | None) -> str:
    return clean(name or "", 80) or "Somebody"


def _moment(at: float | None) -> str:
    return "an unknown time" if at is None else clock_text(at)


def _nth(n: int) -> str:
    ending = "th" if 10 <= n % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n}{ending}"


def _fit(text: str, room: int) -> str:
    return text if len(text) <= room else text[: room - 1].rstrip() + "…"
