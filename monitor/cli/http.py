"""How commands talk to the daemon: plain HTTP with the token of the home folder or of the environment."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit


class DaemonProblem(Exception):  # noqa: N818 - an answer, not a mistake
    """The daemon could not be reached, or said no; the text is a sentence for the person at the terminal."""

    def __init__(self, sentence: str, status: int = 0, body: dict[str, Any] | None = None) -> None:
        super().__init__(sentence)
        self.status, self.body = status, body or {}


class Daemon:
    """One daemon, as its HTTP interface. `url` and the token come from the home folder unless given."""

    def __init__(self, url: str | None = None, home: Path | None = None, token: str | None = None) -> None:
        self.home = home
        self._url, self._token = url, token

    @property
    def url(self) -> str:
        if self._url is None:
            known = None if self.home is None else self.home / "run" / "url"
            self._url = known.read_text().strip() if known is not None and known.exists() else "http://127.0.0.1:8420"
        return self._url.rstrip("/")

    @property
    def token(self) -> str:
        if self._token is None:
            self._token = self._read_token()
        return self._token

    def _read_token(self) -> str:
        if self.home is None or not (self.home / "token").exists():
            raise DaemonProblem(
                f"There is no token in {self.home}: set OVERLOOP_TOKEN, or OVERLOOP_HOME to the daemon's home folder."
            )
        try:
            return (self.home / "token").read_text().strip()
        except OSError as problem:
            raise DaemonProblem(f"The token in {self.home} cannot be read: {problem.strerror}.") from problem

    def get(self, path: str) -> Any:
        return self.call("GET", path)

    def post(self, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Any:
        return self.call("POST", path, body, headers)

    def call(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Any:
        """One request; answers the parsed JSON (text if it is none). Raises DaemonProblem."""
        status, kind, data = self._send(method, path, body, headers or {})
        parsed = json.loads(data) if "json" in kind and data else data.decode(errors="replace")
        if status >= 400:
            problem = parsed if isinstance(parsed, dict) else {}
            sentence = (
                problem.get("detail") or problem.get("title") or f"the daemon answered {status} to {method} {path}"
            )
            raise DaemonProblem(sentence, status, problem)
        return parsed

    def _send(self, method: str, path: str, body: Any, headers: dict[str, str]) -> tuple[int, str, bytes]:
        parts = urlsplit(self.url)
        secure = parts.scheme == "https"
        make = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        connection = make(parts.hostname or "127.0.0.1", parts.port, timeout=30)
        payload = None if body is None else json.dumps(body).encode()
        sent = {"Authorization": f"Bearer {self.token}", **({"Content-Type": "application/json"} if payload else {})}
        try:
            connection.request(method, parts.path + path, payload, {**sent, **headers})
            response = connection.getresponse()
            return response.status, response.headers.get("Content-Type", ""), response.read()
        except OSError as problem:
            why = problem.strerror or problem
            raise DaemonProblem(
                f"The daemon at {self.url} cannot be reached ({why}): start it with `overloop run`."
            ) from problem
        finally:
            connection.close()

    def wait_ready(self, seconds: float, process: subprocess.Popen[bytes] | None = None) -> None:
        """Wait until the daemon answers 200 to `/-/ready`. Raises DaemonProblem when it ends or time runs out."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if process is not None and process.poll() is not None:
                raise DaemonProblem(f"The daemon ended with code {process.returncode} before it was ready.")
            try:
                self._token = None
                self.call("GET", "/-/ready")
            except DaemonProblem:
                time.sleep(0.1)
            else:
                return
        raise DaemonProblem(f"The daemon at {self.url} was not ready within {seconds:.0f} s.")

    def login_link(self, path: str = "/") -> str:
        """A link that signs this user in once, within ten minutes, and leads to `path`."""
        answer: dict[str, str] = self.post("/v1/login-links", {"next": path})
        return answer["url"]


def from_environment(home: Path | None) -> Daemon:
    """The daemon that the environment, or the home folder, points to."""
    return Daemon(os.environ.get("OVERLOOP_URL"), home, os.environ.get("OVERLOOP_TOKEN"))
