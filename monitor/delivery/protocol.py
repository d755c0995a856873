"""What every sender takes and gives back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from monitor.core.notices.alert import Alert
from monitor.core.notices.model import Outcome
from monitor.core.rules.model import Severity

FailureReason = Literal[
    "clientError",  # the target refused the message or the address; somebody has to mend the receiver
    "serverError",  # a failure on the target's side
    "authError",  # the target refused our credentials
    "rateLimited",  # the target asked us to slow down
    "connection",  # the target could not be reached, or the connection broke
    "timeout",  # no answer in time
    "other",
]


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message in words, ready to send. `reason` is the notice's reason (`opened`, `recovered`, ...).

    For programs: `key` names the notice, the same in every attempt; `at` is daemon time; `alerts` are the incidents
    it speaks of, none for a test or a digest.
    """

    title: str
    body: str
    severity: Severity
    incident: str
    reason: str
    key: str = ""
    at: float = 0.0
    alerts: tuple[Alert, ...] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one attempt.

    `delivered`: the target accepted it. `retry`: it did not, and may later. `dead`: it will not until somebody mends
    the receiver. `unknown`: it was handed over and nothing came back, so it may have arrived. `retry_after` is the
    target's own wish in seconds. `problem` is one sentence for people without secrets, empty when delivered.
    """

    outcome: Outcome
    reason: FailureReason | None = None
    retry_after: float | None = None
    problem: str = ""


class Sender(Protocol):
    """One target. `send` never raises and returns within `deadline` seconds; it may be called by several threads."""

    @property
    def label(self) -> str:
        """The address with every secret masked, fit for logs and pages."""
        ...

    def send(self, message: Outgoing, deadline: float) -> Result: ...
