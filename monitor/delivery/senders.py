"""A sender for every receiver: our own for three services, Apprise for all others."""

from __future__ import annotations

from collections.abc import Mapping

from monitor.delivery.address import Address
from monitor.delivery.alertmanager import AlertmanagerSender
from monitor.delivery.apprise_pool import HelperPool
from monitor.delivery.apprise_sender import Senders, apprise_senders
from monitor.delivery.pagerduty import PagerDutySender
from monitor.delivery.protocol import Sender
from monitor.delivery.webhook import WebhookSender


def make_senders(addresses: Mapping[str, Address], pool: HelperPool, seconds: float = 30.0) -> Senders:
    """By receiver name. Checks every address without sending anything; only Apprise's checks take time."""
    others = {name: address.url for name, address in addresses.items() if address.kind == "apprise"}
    made = apprise_senders(others, pool, seconds) if others else Senders()
    for name, address in addresses.items():
        if address.kind != "apprise":
            try:
                made.usable[name] = _own(name, address)
            except ValueError as problem:
                made.problems[name] = f'The address of receiver "{name}" cannot be used. {problem}'
    return made


def _own(name: str, address: Address) -> Sender:
    if address.kind == "pagerduty":
        return PagerDutySender(address)
    if address.kind == "alertmanager":
        return AlertmanagerSender(address)
    return WebhookSender(name, address)
