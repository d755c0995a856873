"""One kept connection to the daemon."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

DEFAULT_URL = "http://127.0.0.1:8420"


class Reply:
    """A status, headers with lower-case names, and the body."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    def json(self) -> dict[str, Any]:
        """The body as an object; {} if it is none."""
        try:
            found = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}

    def detail(self) -> str:
        """Why it was refused, in the daemon's words."""
        return str(self.json().get("detail", f"status {self.status}"))[:500]

    def wait(self) -> float | None:
        """Seconds of Retry-After, None without one."""
        text = self.headers.get("retry-after", "")
        return float(text) if text.isdigit() else None


class Connection:
    """Kept open between requests; a request over a connection that the other side closed is tried once more.

    Not for two threads at once. Raises OSError or http.client.HTTPException.
    """

    def __init__(self, url: str, token: str | None, timeout: float) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{url!r} is no address of an Overloop daemon: write it as {DEFAULT_URL}.")
        self._path = parts.path.rstrip("/")
        self._token = token
        self._make = _maker(parts.scheme, parts.hostname, parts.port, timeout)
        self._open: http.client.HTTPConnection | None = None

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Reply:
        all_headers = dict(headers or {})
        if self._token:
            all_headers["Authorization"] = f"Bearer {self._token}"
        kept = self._open is not None
        try:
            return self._once(method, path, body, all_headers)
        except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError, http.client.BadStatusLine):
            if not kept:
                raise
            return self._once(method, path, body, all_headers)

    def follow(self, path: str, accept: str) -> tuple[http.client.HTTPResponse, socket.socket]:
        """A GET whose answer goes on and on: the answer, to read lines from, and the socket, to end it from elsewhere.

        Raises OSError or http.client.HTTPException.
        """
        headers = {"Accept": accept, **({"Authorization": f"Bearer {self._token}"} if self._token else {})}
        self.close()
        self._open = self._make()
        self._open.connect()
        line: socket.socket = self._open.sock
        self._open.request("GET", self._path + path, None, headers)
        return self._open.getresponse(), line

    def close(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None

    def _once(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> Reply:
        if self._open is None:
            self._open = self._make()
        try:
            self._open.request(method, self._path + path, body, headers)
            response = self._open.getresponse()
            content = response.read(1 << 20)
            reply = Reply(response.status, {k.lower(): v for k, v in response.getheaders()}, content)
            if response.will_close or not response.isclosed():
                self.close()
        except BaseException:
            self.close()
            raise
        return reply


def _maker(scheme: str, host: str, port: int | None, timeout: float) -> Any:
    def make() -> http.client.HTTPConnection:
        if scheme == "https":
            return http.client.HTTPSConnection(host, port, timeout=timeout, context=ssl.create_default_context())
        return http.client.HTTPConnection(host, port, timeout=timeout)

    return make
