"""Around every request: our own Host names only, bounded bodies, safe headers, and an answer even to a fault."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from string import punctuation
from typing import Final
from urllib.parse import quote, urlsplit

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from monitor.web.problems import Problem, answer

log = structlog.get_logger("front")

BODY: Final = 1 << 20  # bytes of a request body; intake has caps of its own
RAW: Final = frozenset({"/v1/events", "/v1/truth"})
Count = Callable[[str, int, float], None]  # route pattern, status, seconds

_POLICY: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_SAFE: Final = (
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
_KEEP: Final = {False: (b"cache-control", b"no-store"), True: (b"cache-control", b"no-cache")}  # True: of /static
_SAFE_ANSWERS: Final = {static: (*_SAFE, keep) for static, keep in _KEEP.items()}
SAFE_ANSWER: Final = _SAFE_ANSWERS[False]
_REMEMBERED: Final = 100  # names that were asked for
_ANY_HOST: Final = frozenset({"/-/healthy", "/-/ready"})  # probes ask by address


def allowed_hosts(listen: str, public_url: str | None) -> set[str]:
    """Names we answer to: a name that points here by somebody else's DNS is not one of them.

    Ports do not count: a tunnel may bring another one, and a name of somebody else stays one with any port.
    """
    names = {"localhost", "127.0.0.1", "::1", urlsplit(f"//{listen}").hostname}
    if public_url:
        names.add(urlsplit(public_url).hostname)
    return {name for name in names if name}


@dataclass(slots=True)
class Doors:
    """ASGI middleware, the outermost of ours."""

    app: ASGIApp
    allowed: set[str]
    count: Count
    _welcome: dict[bytes, bool] = field(default_factory=dict)  # Host as it is sent -> whether that is one of ours

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        query = scope["query_string"]
        if not query.isascii():  # no address has such bytes; the framework fails at those that are no UTF-8
            scope = {**scope, "query_string": quote(query, safe=punctuation).encode()}
        passage = _Passage(scope, receive, send)
        began = time.perf_counter()
        try:
            self._check(scope)
            await self.app(scope, receive if scope["path"] in RAW else passage.receive, passage.send)
        except Problem as problem:
            await answer(Request(scope), problem)(scope, receive, passage.send)
        except Exception:
            trace = traceback.format_exc()  # text, and no values of variables: tokens are among them
            log.error(
                "A request ran into a fault of ours.", action="request_failed", path=scope["path"], exception=trace
            )
            if passage.status:
                raise  # half an answer is out: the server breaks the connection off
            await answer(Request(scope), _FAULT)(scope, receive, passage.send)
        finally:
            self.count(_pattern(scope), passage.status, time.perf_counter() - began)

    def _check(self, scope: Scope) -> None:
        host, announced = b"", b""
        for name, value in reversed(scope["headers"]):  # of several the first counts
            if name == b"host":
                host = value
            elif name == b"content-length":
                announced = value
        path = scope["path"]
        if not self._welcomes(host) and path not in _ANY_HOST:
            shown = host.decode("latin-1")[:100]
            raise Problem(421, f"This daemon does not answer to the name {shown!r}; set public_url to it if it should.")
        if path not in RAW and announced.isdigit() and int(announced[:20]) > BODY:
            raise Problem(413, _TOO_LARGE)

    def welcomes(self, host: str) -> bool:
        """Whether a Host header names us."""
        return self._welcomes(host.encode("latin-1"))

    def _welcomes(self, host: bytes) -> bool:
        known = self._welcome.get(host)
        if known is None:
            if len(self._welcome) >= _REMEMBERED:
                self._welcome.clear()
            known = self._welcome[host] = _name(host.decode("latin-1")) in self.allowed
        return known


_FAULT: Final = Problem(500, "The daemon made a mistake answering this request; its log has the details.")
_TOO_LARGE: Final = f"The body is larger than {BODY >> 20} MB, the most that this route takes."


class _Passage:
    """One request on its way in and its answer on its way out. `status` is 0 until the answer begins."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._static = scope["path"].startswith("/static/")
        self._receive, self._send = receive, send
        self._size, self.status = 0, 0

    async def receive(self) -> Message:
        message = await self._receive()
        self._size += len(message.get("body", b""))
        if self._size > BODY:
            raise HTTPException(413, _TOO_LARGE)
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            given = message.get("headers", ())
            names = {name for name, _ in given}
            safe = _SAFE_ANSWERS[self._static]
            message = {**message, "headers": [*given, *(pair for pair in safe if pair[0] not in names)]}
        await self._send(message)


def _name(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def _pattern(scope: Scope) -> str:
    """The pattern of the route that answered, for counting: paths hold ids."""
    if scope["path"] in RAW:
        return str(scope["path"])
    return str(getattr(scope.get("route"), "path", "other"))
