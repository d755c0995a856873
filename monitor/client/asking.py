"""Asking a person about an answer, and waiting for what they decide."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from threading import BoundedSemaphore, Thread
from time import monotonic, sleep
from typing import Any, NamedTuple
from urllib.parse import quote

from .encode import line
from .http import Connection, Reply

log = logging.getLogger("overloop_client")

LONG = 20.0  # seconds of one question that waits
GRACE = 2.0  # seconds after the deadline in which the daemon still gets to say what holds
AT_ONCE = 4  # answers that are put before people at a time


class Decision(NamedTuple):
    """`answer` is what holds. `state`: approved, changed, rejected, expired (nobody decided in time) or unasked (the
    daemon could not be asked); `by` and `reason` say who decided and why.
    """

    state: str
    answer: Any
    by: str
    reason: str


class Asker:
    """For one model. Each question has a connection of its own: several may wait at a time."""

    def __init__(self, url: str, token: str | None, model: str, version: str | None) -> None:
        self._url, self._token, self._model, self._version = url, token, model, version
        self._room = BoundedSemaphore(AT_ONCE)

    def ask(
        self, decision_id: str, proposed: Any, fallback: Any, inputs: Mapping[str, Any], seconds: float
    ) -> Decision:
        """Wait for a person, at most `seconds`. Never raises."""
        until = monotonic() + seconds
        connection = Connection(self._url, self._token, LONG + 10.0)
        try:
            asked = {"fallback": fallback, "deadline_seconds": seconds, "mode": "pre"}
            reply = self._post(connection, decision_id, proposed, inputs, asked)
            if reply.status not in (200, 201):
                return Decision("unasked", fallback, "", f"Nobody was asked: {reply.detail()}")
            return self._await(connection, reply.json(), fallback, until)
        except Exception as failure:  # whatever it is, the model goes on with what is safe
            return Decision("unasked", fallback, "", f"Nobody could be asked: {failure or type(failure).__name__}.")
        finally:
            connection.close()

    def show(self, decision_id: str, proposed: Any, inputs: Mapping[str, Any]) -> None:
        """Put an answer before people that is out already. Never raises, never waits."""
        if not self._room.acquire(blocking=False):
            return
        try:
            Thread(target=self._show, args=(decision_id, proposed, inputs), name="overloop-show", daemon=True).start()
        except RuntimeError:
            self._room.release()

    def _show(self, decision_id: str, proposed: Any, inputs: Mapping[str, Any]) -> None:
        try:
            connection = Connection(self._url, self._token, 5.0)
            reply = self._post(connection, decision_id, proposed, inputs, {"mode": "post"})
            connection.close()
            if reply.status not in (200, 201):
                log.warning("An answer of %s was not put before people: %s", self._model, reply.detail())
        except Exception as failure:
            log.warning("An answer of %s was not put before people: %s", self._model, failure)
        finally:
            self._room.release()

    def _post(
        self, connection: Connection, id_: str, proposed: Any, inputs: Mapping[str, Any], more: Mapping[str, Any]
    ) -> Reply:
        fields = {"model": self._model, "decision_id": id_, "version": self._version, "inputs": dict(inputs)}
        body = line({**fields, "proposed": proposed, **more})
        return connection.request("POST", "/v1/decisions", body, {"Content-Type": "application/json"})

    def _await(self, connection: Connection, found: Mapping[str, Any], fallback: Any, until: float) -> Decision:
        path = f"/v1/decisions/{quote(str(found['id']), safe='')}"
        while found["state"] == "waiting":
            left = until + GRACE - monotonic()
            if left <= 0:
                return Decision("expired", fallback, "", "Nobody decided before the deadline.")
            try:
                reply = connection.request("GET", f"{path}?wait={max(min(left, LONG), 0.0):.1f}")
                if reply.status == 200:
                    found = reply.json()
                    continue
            except OSError:  # the daemon may come back before the deadline
                connection.close()
            sleep(min(0.5, max(left, 0.0)))
        said = Decision(str(found["state"]), found["answer"], str(found["decided_by"]), str(found["reason"] or ""))
        return said if said.state in ("approved", "changed") else said._replace(answer=fallback)
