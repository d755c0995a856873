"""A receiver that is configured but cannot be used."""

from __future__ import annotations

from monitor.delivery.protocol import Outgoing, Result


class Unusable:
    """Takes the place of a sender whose address was refused, so that every message to it says why it is not sent."""

    label = "unusable"

    def __init__(self, problem: str) -> None:
        self._problem = problem

    def send(self, message: Outgoing, deadline: float) -> Result:
        return Result("dead", "clientError", None, self._problem)
