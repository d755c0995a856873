"""Where receivers lead. Addresses are secrets: they come from the environment or credentials, never from a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from monitor.settings.errors import SettingsError
from monitor.settings.model import Settings
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


def addresses(settings: Settings, environ: Mapping[str, str]) -> dict[str, Secret]:
    """The address of every receiver, by its name. Raises SettingsError naming the one that has none."""
    found: dict[str, Secret] = {}
    if notify := environ.get("OVERLOOP_NOTIFY", "").strip():
        found[NOTIFY] = Secret(notify)
    for name, receiver in settings.receivers.items():
        found[name] = _address(f"receivers.{name}", receiver.url_env, receiver.url_credential, environ)
    return found


def heartbeat_address(settings: Settings, environ: Mapping[str, str]) -> Secret | None:
    """The URL to fetch while all is well, if one is set."""
    heartbeat = settings.heartbeat
    if heartbeat.url_env is None and heartbeat.url_credential is None:
        return None
    return _address("heartbeat", heartbeat.url_env, heartbeat.url_credential, environ)


def _address(key: str, variable: str | None, credential: str | None, environ: Mapping[str, str]) -> Secret:
    if variable is not None:
        text = environ.get(variable, "").strip()
        if not text:
            raise SettingsError(f"{key}.url_env names the environment variable {variable}, which is not set.")
        return Secret(text)
    folder = environ.get("CREDENTIALS_DIRECTORY", "").split(":")[0]
    if not folder:
        raise SettingsError(
            f"{key}.url_credential names the credential {credential}, and $CREDENTIALS_DIRECTORY is not set: "
            "systemd sets it for a unit with LoadCredential=; elsewhere use url_env."
        )
    try:
        text = (Path(folder) / str(credential)).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        problem = error.strerror if isinstance(error, OSError) else "it is not text"
        raise SettingsError(f"{key}.url_credential names {credential}, which cannot be read: {problem}.") from None
    if not text:
        raise SettingsError(f"{key}.url_credential names {credential}, which is empty.")
    return Secret(text)
