"""The client that the module's own functions use, made when first needed."""

from __future__ import annotations

import logging
import os
from threading import RLock
from typing import Any

from .client import Client, Stats

log = logging.getLogger("overloop_client")


class Default:
    """Holds one client for the whole process; a model's service need not carry it about."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._client: Client | None = None
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._unlock)

    def _unlock(self) -> None:
        """A lock that a thread of the parent held would never be released in the child of a fork."""
        self._lock = RLock()

    def configure(self, url: str | None = None, token: str | None = None, **options: Any) -> None:
        """Say where the daemon is, instead of OVERLOOP_URL and OVERLOOP_TOKEN. Options as of `Client`.

        Raises ValueError for an address that is none.
        """
        fresh = Client(url, token, **options)
        with self._lock:
            old, self._client = self._client, fresh
        if old is not None:
            old.close()

    def log(self, *args: Any, **fields: Any) -> str:
        """See `Client.log`."""
        return self._get().log(*args, **fields)

    def truth(self, *args: Any, **fields: Any) -> None:
        """See `Client.truth`."""
        self._get().truth(*args, **fields)

    def flush(self, timeout: float = 5.0) -> bool:
        """See `Client.flush`."""
        return self._client is None or self._client.flush(timeout)

    def stats(self) -> Stats:
        """See `Client.stats`."""
        return Stats(0, 0, 0, 0, 0, 0, "") if self._client is None else self._client.stats()

    def _get(self) -> Client:
        if self._client is not None:
            return self._client
        with self._lock:
            if self._client is None:
                try:
                    self._client = Client()
                except ValueError as problem:  # OVERLOOP_URL is no address: said once, and the model goes on
                    log.warning("Nothing is sent to Overloop: %s", problem)
                    self._client = Client("http://127.0.0.1:8420")
                    self._client.close(0.0)
            return self._client
