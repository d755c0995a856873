"""A target that takes every message and tells nobody: where the event that goes round ends."""

from __future__ import annotations

from monitor.delivery.protocol import Outgoing, Result


class Nowhere:
    """A sender as any other."""

    label = "nowhere"

    def send(self, message: Outgoing, deadline: float) -> Result:
        return Result("delivered")
