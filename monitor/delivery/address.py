"""Where a receiver of our own senders leads, and what it is told by. All of it is secret."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal
from urllib.parse import unquote, urlsplit

Kind = Literal["apprise", "pagerduty", "alertmanager", "webhook"]
REGIONS: Final = {"us": "https://events.pagerduty.com", "eu": "https://events.eu.pagerduty.com"}


@dataclass(frozen=True, slots=True)
class Address:
    """`url` is Apprise's, or a web address; `key` the routing key of PagerDuty or the secret a webhook is signed with.

    `public_only`: connections to private, loopback, link-local and other special ranges are refused.
    """

    kind: Kind = "apprise"
    url: str = field(default="", repr=False)
    key: str = field(default="", repr=False)
    public_only: bool = False

    def __reduce__(self) -> str:
        raise TypeError("An address is not written down.")


@dataclass(frozen=True, slots=True)
class WebAddress:
    """A web address taken apart. `path` begins with a slash and has the query."""

    secure: bool
    host: str
    port: int
    path: str = field(repr=False)
    login: str = field(default="", repr=False)  # user:password

    @property
    def label(self) -> str:
        """Fit for logs: paths, queries and logins of web addresses often are secrets."""
        usual = self.port == (443 if self.secure else 80)
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.secure else 'http'}://{host}{'' if usual else f':{self.port}'}"


def web_address(text: str, path: str = "") -> WebAddress:
    """`path` is added to the one in the address. Raises ValueError with a sentence that holds no part of it."""
    try:
        parts = urlsplit(text.strip())
        port = parts.port
    except ValueError:
        raise ValueError("It is no web address: its host or port cannot be read.") from None
    plain = text.isascii() and text.strip().isprintable() and " " not in text.strip()
    if parts.scheme not in ("http", "https") or not parts.hostname or not plain or port == 0:
        raise ValueError("It is no web address: one begins with https:// or http:// and names a host, without spaces.")
    secure = parts.scheme == "https"
    whole = (parts.path.rstrip("/") if path else parts.path or "/") + path + (f"?{parts.query}" if parts.query else "")
    login = "" if parts.username is None else f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return WebAddress(secure, parts.hostname, port or (443 if secure else 80), whole, login)
