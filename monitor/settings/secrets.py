"""Where receivers lead. Addresses are secrets: they come from the environment or credentials, never from a file."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from monitor.delivery.address import REGIONS, Address
from monitor.settings.errors import SettingsError
from monitor.settings.model import Receiver, Settings
from monitor.settings.verify import NOTIFY


class Secret:
    """Text that shows itself only when asked to."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "Secret(***)"

    def __reduce__(self) -> str:
        raise TypeError("A secret is not written down.")


def addresses(settings: Settings, environ: Mapping[str, str]) -> dict[str, Address]:
    """The address of every receiver, by its name. Raises SettingsError naming the one that has none."""
    found: dict[str, Address] = {}
    if notify := environ.get("OVERLOOP_NOTIFY", "").strip():
        found[NOTIFY] = Address(url=notify)
    for name, receiver in settings.receivers.items():
        found[name] = _of(name, receiver, environ)
    return found


def _of(name: str, receiver: Receiver, environ: Mapping[str, str]) -> Address:
    url = key = ""
    if receiver.type == "pagerduty":
        url = REGIONS[receiver.region]
    else:
        url = _address(f"receivers.{name}", receiver.url_env, receiver.url_credential, environ).reveal()
    if receiver.key_env is not None or receiver.key_credential is not None:
        key = _address(f"receivers.{name}", receiver.key_env, receiver.key_credential, environ, "key").reveal()
    return Address(receiver.type, url, key, receiver.public_only)


def hook_keys(settings: Settings, environ: Mapping[str, str]) -> dict[str, bytes]:
    """The secrets of receivers' webhooks, by name, of those that take some. Raises SettingsError."""
    found = {}
    for name, r in settings.receivers.items():
        if r.hook_env is not None or r.hook_credential is not None:
            secret = _address(f"receivers.{name}", r.hook_env, r.hook_credential, environ, "hook")
            found[name] = secret.reveal().encode()
    return found


def heartbeat_address(settings: Settings, environ: Mapping[str, str]) -> Secret | None:
    """The URL to fetch while all is well, if one is set. Raises SettingsError if there is none, or it is none."""
    heartbeat = settings.heartbeat
    if heartbeat.url_env is None and heartbeat.url_credential is None:
        return None
    secret = _address("heartbeat", heartbeat.url_env, heartbeat.url_credential, environ)
    if not _is_web_address(secret.reveal()):
        raise SettingsError(
            f"The address of the heartbeat, which {heartbeat.url_env or heartbeat.url_credential} holds, is no web "
            "address: it begins with https:// or http://, then comes a host, and it has no spaces."
        )
    return secret


def every_address(settings: Settings, environ: Mapping[str, str]) -> list[Secret]:
    """All that can be had, well formed or not: what must not be shown anywhere."""
    named = [(f"receivers.{name}", r.url_env, r.url_credential) for name, r in settings.receivers.items()]
    named += [(f"receivers.{name}", r.key_env, r.key_credential) for name, r in settings.receivers.items()]
    named += [(f"receivers.{name}", r.hook_env, r.hook_credential) for name, r in settings.receivers.items()]
    named.append(("heartbeat", settings.heartbeat.url_env, settings.heartbeat.url_credential))
    found = [Secret(environ.get("OVERLOOP_NOTIFY", "").strip())]
    for key, variable, credential in named:
        if variable is not None or credential is not None:
            with suppress(SettingsError):
                found.append(_address(key, variable, credential, environ))
    return [secret for secret in found if secret.reveal()]


def _is_web_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return False
    plain = text.isascii() and text.isprintable() and " " not in text
    return plain and parts.scheme in ("http", "https") and bool(parts.hostname) and port != 0


def _address(
    key: str, variable: str | None, credential: str | None, environ: Mapping[str, str], what: str = "url"
) -> Secret:
    if variable is not None:
        text = environ.get(variable, "").strip()
        if not text:
            raise SettingsError(f"{key}.{what}_env names the environment variable {variable}, which is not set.")
        return Secret(text)
    folder = environ.get("CREDENTIALS_DIRECTORY", "").split(":")[0]
    if not folder:
        raise SettingsError(
            f"{key}.{what}_credential names the credential {credential}, and $CREDENTIALS_DIRECTORY is not set: "
            f"systemd sets it for a unit with LoadCredential=; elsewhere use {what}_env."
        )
    try:
        text = (Path(folder) / str(credential)).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        problem = error.strerror if isinstance(error, OSError) else "it is not text"
        raise SettingsError(f"{key}.{what}_credential names {credential}, which cannot be read: {problem}.") from None
    if not text:
        raise SettingsError(f"{key}.{what}_credential names {credential}, which is empty.")
    return Secret(text)
