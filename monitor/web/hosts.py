"""Around every request: only our own Host names, and headers that tell browsers to trust nothing else."""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from monitor.web.problems import Problem, document

_SAFE = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self' data:; script-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_ANY_HOST = frozenset({"/-/healthy", "/-/ready"})  # probes ask by address


class Hosts:
    """ASGI middleware: refuse other Host headers (DNS rebinding), add safe headers to every answer."""

    def __init__(self, app: ASGIApp, allowed: set[str]) -> None:
        self.app, self.allowed = app, allowed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        host = Headers(scope=scope).get("host", "").lower()
        if host not in self.allowed and scope["path"] not in _ANY_HOST:
            problem = Problem(
                421, f"This daemon does not answer to the name {host[:100]!r}; set public_url to it if it should."
            )
            await document(problem)(scope, receive, send)
            return

        async def safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _SAFE.items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, safely)
