"""What stands is said again to those who forget."""

from __future__ import annotations

from dataclasses import replace

from monitor.core.changes import Changes
from monitor.core.notices.render import Links
from monitor.delivery.address import Address
from monitor.delivery.alertmanager import AlertmanagerSender
from monitor.delivery.protocol import Result
from monitor.runtime.resend import resend

from .conftest import INCIDENT, START, FakeSender


class Remembering(AlertmanagerSender):
    """A real one whose refreshes are seen instead of sent."""

    def __init__(self, answer: Result) -> None:
        super().__init__(Address("alertmanager", "http://127.0.0.1:9"))
        self.answer, self.said = answer, []

    def refresh(self, alerts, at, deadline):
        self.said.append(([alert.labels["incident"] for alert in alerts], at))
        return self.answer


def again(office, sender, at=START + 60):
    senders = {"am": sender, "oncall": FakeSender()}
    return resend(office.database, senders, lambda incident: {"team": "risk"}, Links("https://x"), at)


def test_an_incident_it_was_called_about_is_said_again_until_it_is_over(office):
    sender = Remembering(Result("delivered"))
    assert again(office, sender) == 0 and sender.said == []
    office.called("am")
    assert again(office, sender) == 1
    assert sender.said == [([INCIDENT.id], START + 60)]
    with office.database.write(START) as tx:
        tx.apply(Changes(incidents={INCIDENT.id: replace(INCIDENT, state="closed", closed_at=START)}))
    assert again(office, sender) == 0 and len(sender.said) == 1


def test_what_was_not_delivered_yet_is_the_outbox_own_affair(office):
    office.owe("am")
    assert again(office, Remembering(Result("delivered"))) == 0


def test_one_that_cannot_be_told_is_told_the_next_time(office):
    office.called("am")
    assert again(office, Remembering(Result("retry", "connection", None, "It could not be reached."))) == 0
