"""An event that goes the whole way round: HTTP intake, spool, pump, ledger, courier, and a target that tells nobody.

What it has reached is on record in the ledger: the pump's step says that it was observed, the courier's own write that
its message was delivered. Nothing is taken from memory but how long to wait.
"""

from __future__ import annotations

import http.client
import json
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import urlsplit

from monitor.core.canary import canary_id, canary_models
from monitor.core.times import rfc3339
from monitor.delivery.nowhere import Nowhere
from monitor.delivery.protocol import Outgoing
from monitor.spool import partition_of
from monitor.store.database import Database
from monitor.store.facts import CANARY_DELIVERED, get_fact, set_fact
from monitor.store.ledger import totals

PATIENCE: Final = 30.0  # seconds for one round, and for the answer to its post
LOOK: Final = 0.1  # seconds between looks at whether it has come round


class Lost(Exception):  # noqa: N818 (what happened)
    """It did not come round; the text says how far it came."""


class Clock(Protocol):
    def now(self) -> float: ...


class Canary:
    """`round` belongs to a timed job, `errand` is asked by the courier in each of its turns."""

    def __init__(
        self,
        home: Path,
        database: Database,
        clock: Clock,
        partitions: int,
        wake: Callable[[], None] = lambda: None,
        told: Callable[[float, float], None] = lambda seconds, at: None,
        patience: float = PATIENCE,
    ) -> None:
        """`told` hears of every round: how long it took, and when it was over."""
        self._home, self._database, self._clock, self._partitions = home, database, clock, partitions
        self._wake, self._told, self._patience = wake, told, patience
        self._models = canary_models(partitions, lambda model: partition_of(model, partitions))
        self._target = Nowhere()
        self._awaited: int | None = None
        self._over = threading.Event()

    def round(self) -> float:
        """Send one in every partition and wait until all have come round: seconds that took. Raises Lost."""
        at, began = self._clock.now(), time.monotonic()
        number = int(at * 1e3)
        self._over.clear()
        self._awaited = number
        try:
            self._post(number, at)
            while not self._over.wait(LOOK):
                if time.monotonic() - began > self._patience:
                    raise Lost(self._how_far(number))
                self._wake()
        finally:
            self._awaited = None
        seconds = time.monotonic() - began
        self._told(seconds, self._clock.now())
        return seconds

    def errand(self) -> Callable[[], None] | None:
        """For the courier: the message to send once every partition has observed what is awaited."""
        number = self._awaited
        if number is None or self._over.is_set() or not self._observed(number):
            return None
        return lambda: self._deliver(number)

    def _observed(self, number: int) -> bool:
        with self._database.read() as connection:
            return all(totals(connection, p).get("canary_newest", 0) >= number for p in range(self._partitions))

    def _deliver(self, number: int) -> None:
        now = self._clock.now()
        result = self._target.send(Outgoing("The event that goes round", "All is well.", "low", "", "test"), PATIENCE)
        if result.outcome != "delivered":
            return
        with self._database.write(now) as tx:
            if number > int(get_fact(tx.connection, CANARY_DELIVERED) or 0):
                set_fact(tx, CANARY_DELIVERED, str(number))
        if self._awaited == number:
            self._over.set()

    def _post(self, number: int, at: float) -> None:
        """Through the door that everybody uses, with the token of this home."""
        events = [{"id": canary_id(number), "model": m, "at": rfc3339(at), "inputs": {}} for m in self._models]
        try:
            address = urlsplit((self._home / "run" / "url").read_text().strip())
            token = (self._home / "token").read_text().strip()
            headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
            connection = _connect(address.scheme, address.hostname or "", address.port)
            try:
                connection.request("POST", "/v1/events", json.dumps(events), headers)
                answer = connection.getresponse()
                answer.read()
            finally:
                connection.close()
        except (OSError, http.client.HTTPException) as problem:
            raise Lost(f"The event that goes round could not be sent ({type(problem).__name__}).") from None
        if answer.status != 202:
            raise Lost(f"The event that goes round was refused by the intake with status {answer.status}.")

    def _how_far(self, number: int) -> str:
        where = (
            "observed, and its message was not delivered" if self._observed(number) else "accepted, and not observed"
        )
        return f"The event that goes round was {where} within {self._patience:g} s."


def _connect(scheme: str, host: str, port: int | None) -> http.client.HTTPConnection:
    if scheme != "https":
        return http.client.HTTPConnection(host, port, timeout=PATIENCE)
    trusting = ssl.create_default_context()  # it is this daemon's own address: the certificate names another
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    return http.client.HTTPSConnection(host, port, timeout=PATIENCE, context=trusting)
