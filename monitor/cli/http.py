"""How commands talk to the daemon: plain HTTP with the token of the home folder or of the environment."""

from __future__ import annotations

import http.client
import json
import subprocess
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

DEFAULT = "http://127.0.0.1:8420"
PATIENCE = 30.0  # seconds for one answer


class DaemonProblem(Exception):  # noqa: N818 - an answer, not a mistake
    """The daemon could not be reached, or said no; the text is a sentence for the person at the terminal.

    `status` is that of its answer, 0 if there was none that could be understood.
    """

    def __init__(self, sentence: str, status: int = 0, body: dict[str, Any] | None = None) -> None:
        super().__init__(sentence)
        self.status, self.body = status, body or {}


class Daemon:
    """One daemon, as its HTTP interface. `url` and the token come from the home folder unless given."""

    def __init__(
        self, url: str | None = None, home: Path | None = None, token: str | None = None, patience: float = PATIENCE
    ) -> None:
        self.home, self.patience = home, patience
        self._url, self._token = url, token
        self._source = "in OVERLOOP_TOKEN" if token else f"in {home}"

    @property
    def url(self) -> str:
        """Without a slash at the end."""
        if self._url is None:
            known = None if self.home is None else _line_of(self.home / "run" / "url", "The daemon's address")
            self._url = known or DEFAULT
        return self._url.strip().rstrip("/")

    @property
    def token(self) -> str:
        if self._token is None:
            self._token = self._read_token()
        token = self._token.strip()
        if not token.isascii() or not token.isprintable():
            raise DaemonProblem(f"The token {self._source} is no token: it has letters in it that a token never has.")
        return token

    def _read_token(self) -> str:
        found = None if self.home is None else _line_of(self.home / "token", "The token")
        if not found:
            raise DaemonProblem(
                f"There is no token in {self.home}: start a daemon with `overloop run`, or name the home of the one "
                "that runs with --home or OVERLOOP_HOME; for one elsewhere set OVERLOOP_URL and OVERLOOP_TOKEN."
            )
        return found

    def get(self, path: str) -> Any:
        return self.call("GET", path)

    def post(self, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Any:
        return self.call("POST", path, body, headers)

    def call(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Any:
        """One request; answers the parsed JSON (text if it is none). Raises DaemonProblem."""
        status, kind, data = self._send(method, path, body, headers or {})
        try:
            parsed = json.loads(data) if "json" in kind and data else data.decode(errors="replace")
        except (ValueError, RecursionError):
            raise self._not_ours() from None
        if status < 300:
            return parsed
        problem = parsed if isinstance(parsed, dict) else {}
        sentence = problem.get("detail") or problem.get("title")
        if status == 401:
            sentence = (
                f"The daemon at {self.url} does not know the token {self._source}: it was revoked or has expired, "
            )
            sentence += "or the address is that of another daemon."
        elif not isinstance(sentence, str):
            raise self._not_ours()
        raise DaemonProblem(sentence, status, problem)

    def json(self, path: str) -> dict[str, Any]:
        """A GET whose answer is a JSON object. Raises DaemonProblem."""
        return self.checked(self.get(path))

    def checked(self, answer: Any) -> dict[str, Any]:
        """The answer if it is a JSON object; whatever else answers at this address is not the daemon."""
        if not isinstance(answer, dict):
            raise self._not_ours()
        return answer

    def _not_ours(self) -> DaemonProblem:
        return DaemonProblem(
            f"What answers at {self.url} is not Overloop: look at OVERLOOP_URL or --url, or start the daemon there."
        )

    def _send(self, method: str, path: str, body: Any, headers: dict[str, str]) -> tuple[int, str, bytes]:
        payload = None if body is None else json.dumps(body).encode()
        sent = {"Authorization": f"Bearer {self.token}", **({"Content-Type": "application/json"} if payload else {})}
        connection, root = self._connection()
        try:
            connection.request(method, root + path, payload, {**sent, **headers})
            response = connection.getresponse()
            return response.status, response.headers.get("Content-Type", ""), response.read()
        except TimeoutError:
            raise DaemonProblem(f"The daemon at {self.url} did not answer within {self.patience:.0f} s.") from None
        except OSError as problem:
            raise DaemonProblem(self._unreachable(problem)) from problem
        except http.client.HTTPException:
            raise self._not_ours() from None
        finally:
            connection.close()

    def _connection(self) -> tuple[http.client.HTTPConnection, str]:
        """A connection that is not open yet, and the path that stands before all of ours."""
        try:
            parts = urlsplit(self.url)
            host, port = parts.hostname, parts.port
        except ValueError:
            host = None
        if not host or parts.scheme not in ("http", "https") or not self.url.isascii():
            raise DaemonProblem(f"{self.url!r} is no address of a daemon: write it like {DEFAULT}.")
        make = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        return make(host, port, timeout=self.patience), parts.path

    def _unreachable(self, problem: OSError) -> str:
        why = str(problem.strerror or problem).rstrip(".")
        if hasattr(problem, "verify_message"):
            return (
                f"The certificate of {self.url} is not trusted ({problem.verify_message}): set SSL_CERT_FILE to the "
                "file of the authority that signed it."
            )
        return f"The daemon at {self.url} cannot be reached ({why}): start it with `overloop run`, or set OVERLOOP_URL."

    def wait_ready(self, seconds: float, process: subprocess.Popen[bytes] | None = None) -> None:
        """Wait until the daemon answers 200 to `/-/ready`. Raises DaemonProblem when it ends or time runs out."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if process is not None and process.poll() is not None:
                raise DaemonProblem(f"The daemon ended with code {process.returncode} before it was ready.")
            try:
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


def _line_of(file: Path, what: str) -> str | None:
    """The text of a small file, None if there is none. Raises DaemonProblem where it cannot be read."""
    try:
        return file.read_text().strip()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except UnicodeDecodeError:
        raise DaemonProblem(f"{what} in {file.parent} is not text.") from None
    except OSError as problem:
        raise DaemonProblem(
            f"{what} in {file.parent} cannot be read ({problem.strerror}): run this as the user of the daemon, or set "
            "OVERLOOP_URL and OVERLOOP_TOKEN."
        ) from problem
