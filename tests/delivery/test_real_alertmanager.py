"""What we push is taken by the real Alertmanager, and known there by the fingerprint we would give it."""

from __future__ import annotations

import time

import pytest
from alertmanager_server import Alertmanager, alertmanager

from monitor.core.notices.alert import Alert
from monitor.delivery.address import Address
from monitor.delivery.alertmanager import AlertmanagerSender
from monitor.delivery.protocol import Outgoing, Result

__all__ = ["alertmanager"]
LABELS = {"alertname": "ScoreShift", "model": "fraud-eu", "severity": "high", "incident": "1", "pack": "größe"}


@pytest.mark.prometheus
def test_an_alert_stands_there_until_it_is_over(alertmanager: Alertmanager) -> None:
    sender, now = AlertmanagerSender(Address("alertmanager", alertmanager.url)), time.time()
    stands = Alert(LABELS, {"summary": "It moved."}, now - 60, None, "open", "https://overloop.example.org/incidents/1")
    assert sender.send(Outgoing("t", "b", "high", "1", "opened", "k", now, (stands,)), 10) == Result("delivered")
    (known,) = alertmanager.alerts()
    assert (known["labels"], known["fingerprint"]) == (LABELS, stands.fingerprint)
    assert sender.refresh([stands], now + 60, 10) == Result("delivered")
    over = Alert(LABELS, {}, now - 60, now - 1, "recovered", "")
    assert sender.send(Outgoing("t", "b", "high", "1", "recovered", "k", now, (over,)), 10) == Result("delivered")
    assert alertmanager.alerts() == []
