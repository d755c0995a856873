"""One claimed notice: put into words, sent, and its outcome written."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Final, Protocol

import structlog

from monitor.core.findings import Evidence
from monitor.core.incidents.model import Incident
from monitor.core.notices.alert import Alert, alert_of
from monitor.core.notices.groups import LINKED, bundle_key, render_bundle
from monitor.core.notices.keys import PAGES
from monitor.core.notices.model import Outcome
from monitor.core.notices.render import Links, render
from monitor.delivery.protocol import Outgoing, Result, Sender
from monitor.killpoints import point
from monitor.runtime.courier_terms import Delivery, Terms, settle
from monitor.store import outbox
from monitor.store.database import Database, LedgerUnavailable
from monitor.store.outbox import Claimed

log = structlog.get_logger("courier")

_MARGIN: Final = 0.1  # of the lease is kept for writing the outcome
_AGAIN: Final = 1.0  # seconds between attempts to write it while the ledger cannot be had
_SENTENCES: Final[Mapping[Outcome, str]] = {
    "delivered": "A message was delivered.",
    "retry": "A message was not delivered and will be tried again.",
    "dead": "A message was given up, and its receiver was not told: look at the problem, and mend the receiver.",
    "unknown": "Nobody knows whether a message arrived.",
}
_REFUSED: Final = "A receiver refuses a call for a person; mend the receiver, the call is tried again until then."


Labels = Callable[[Incident], Mapping[str, str]]  # of the incident's rule

Ack = Callable[[Claimed, float], str | None]  # a link that acknowledges, for a call at a time


def unlabelled(incident: Incident) -> Mapping[str, str]:
    return {}


class Clock(Protocol):
    def now(self) -> float: ...


class Deliverer:
    """Shared by the courier's workers. `senders` may be replaced at any time. After `ending` nothing is written."""

    def __init__(
        self,
        database: Database,
        senders: Mapping[str, Sender],
        clock: Clock,
        links: Links,
        terms: Terms,
        told: Callable[[Delivery], None],
        ending: threading.Event,
        labels: Labels = unlabelled,
        ack: Ack = lambda claimed, at: None,
    ) -> None:
        self.senders = senders
        self._labels, self._ack = labels, ack
        self._database, self._clock, self._links = database, clock, links
        self._terms, self._told, self._ending = terms, told, ending

    def deliver(self, claimed: Claimed) -> Result | None:
        """The result as it was settled; None if nothing was sent because the lease is all but over."""
        target = claimed.notice.target
        left = claimed.lease_until - self._clock.now()
        seconds = min(self._terms.deadline, left - _MARGIN * self._terms.lease)
        if seconds <= 0.0:  # this process stood still for so long that somebody else may have it by now
            return None
        sender = self.senders.get(target)
        if sender is None:
            result = Result("dead", "clientError", None, f'The receiver "{target}" is no longer configured.')
            return self._record(claimed, result, 0.0, "")
        message = self._message(claimed) if not claimed.along else self._bundle([claimed, *claimed.along])
        began = time.monotonic()
        try:
            result = sender.send(message, seconds)
        except Exception as error:  # a sender's promise, not trusted: a mistake in it must not lose anything
            problem = f"The sender failed with {type(error).__name__}; the message may have arrived."
            result = Result("unknown", "other", None, problem)
        seconds = time.monotonic() - began
        for each in claimed.along:
            self._record(each, result, seconds, sender.label)
        return self._record(claimed, result, seconds, sender.label)

    def _bundle(self, calls: list[Claimed]) -> Outgoing:
        first, pairs = calls[0], [(each.notice, each.incident) for each in calls]
        message = render_bundle(pairs, self._links, (first.audit[0], first.audit[1].hex()), self._acks(calls))
        key = bundle_key([each.notice for each in calls])
        alerts = tuple(self._alert(each.incident) for each in calls)
        reason = first.notice.reason
        return Outgoing(message.title, message.body, message.severity, "", reason, key, self._clock.now(), alerts)

    def _acks(self, calls: list[Claimed]) -> dict[str, str]:
        """A link for each incident of a message about several, if so many can be read."""
        if len(calls) > LINKED:
            return {}
        try:
            found = {each.incident.id: self._ack(each, self._clock.now()) for each in calls}
        except Exception:  # a page without links is better than none
            log.exception("A message has no links.", action="courier_failed", notice=calls[0].notice.key)
            return {}
        return {incident: link for incident, link in found.items() if link}

    def _alert(self, incident: Incident) -> Alert:
        return alert_of(incident, self._links.incident(incident.id) or "", self._labels(incident))

    def _message(self, claimed: Claimed) -> Outgoing:
        notice, incident = claimed.notice, claimed.incident
        evidence = sorted(claimed.evidence, key=_badness, reverse=True)
        try:
            head = (claimed.audit[0], claimed.audit[1].hex())
            ack = self._ack(claimed, self._clock.now()) if notice.reason in PAGES else None
            message = render(notice, incident, evidence, self._links, head, claimed.others, ack)
            title, body = message.title, message.body
        except Exception:  # a page in poor words is better than none
            log.exception("A message could not be put in words.", action="courier_failed", notice=notice.key)
            title, body = f"Incident ({incident.severity})", f"{notice.reason}\n\nIncident: {incident.id}"
        now, alert = self._clock.now(), self._alert(incident)
        return Outgoing(title, body, incident.severity, incident.id, notice.reason, notice.key, now, (alert,))

    def _record(self, claimed: Claimed, result: Result, seconds: float, label: str) -> Result:
        notice, refused = claimed.notice, result.outcome == "dead"
        result, retry_at = settle(claimed, result, self._clock.now(), self._terms)
        recorded = self._finish(claimed, result, retry_at)
        sentence = _REFUSED if refused and retry_at is not None else _SENTENCES[result.outcome]
        write = log.error if refused else log.info if result.outcome == "delivered" and recorded else log.warning
        write(
            sentence if recorded else "The lease of a message ran out before its outcome was written.",
            action=f"notice_{result.outcome}" if recorded else "lease_lost",
            receiver=notice.target,
            address=label,
            incident=notice.incident,
            notice_reason=notice.reason,
            attempt=claimed.attempt,
            seconds=round(seconds, 3),
            reason=result.reason,
            problem=result.problem or None,
        )
        outcome, reason = result.outcome, result.reason
        self._told(Delivery(notice.target, notice.reason, outcome, reason, claimed.attempt, seconds, recorded))
        return result

    def _finish(self, claimed: Claimed, result: Result, retry_at: float | None) -> bool:
        """Writes the outcome as long as the lease lasts, which is another's to write after that, and the courier."""
        while not self._ending.is_set():
            now = self._clock.now()
            try:
                point("before outcome commit")
                recorded = outbox.finish(self._database, claimed, result.outcome, now, retry_at, result.problem or None)
                point("after outcome commit")
                return recorded
            except LedgerUnavailable as problem:
                log.warning(str(problem), action="waiting_ledger", notice=claimed.notice.key)
                if now >= claimed.lease_until:
                    return False
                self._ending.wait(_AGAIN)
        return False


def _badness(evidence: Evidence) -> tuple[float, float]:
    return (-1.0 if evidence.effect is None else abs(evidence.effect), evidence.at)
