"""Overloop's client: log what a model was asked and answered, and ask what it may do. Standard library only.

    from overloop_client import Gate, log, truth

    id = log("fraud-eu", inputs={"amount": 12.5}, output={"label": "ok", "confidence": 0.93})
    truth("fraud-eu", id, {"label": "fraud"})

    gate = Gate("fraud-eu")  # once, when the service starts
    if gate.check().state == "auto": ...

Where the daemon is comes from OVERLOOP_URL and OVERLOOP_TOKEN, or from `configure`.
"""

from __future__ import annotations

from .asking import Decision
from .client import Client, Stats
from .default import Default
from .gate import Gate
from .gate_reading import Verdict

_default = Default()
configure = _default.configure
log = _default.log
truth = _default.truth
flush = _default.flush
stats = _default.stats

__all__ = ["Client", "Decision", "Gate", "Stats", "Verdict", "configure", "flush", "log", "stats", "truth"]
