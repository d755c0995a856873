"""One Apprise URL, opened as exactly one target, or refused with a sentence. Runs in the helper process only."""

from __future__ import annotations

import difflib
import logging
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from apprise import Apprise, AppriseAsset, OverflowMode, PersistentStoreMode
from apprise.manager_plugins import NotificationManager
from apprise.utils.parse import parse_urls

from monitor.delivery.redaction import Redactor, split_url

_SCHEME = re.compile(r"\s*([a-z0-9]{1,20})://", re.IGNORECASE)
_LOCAL = frozenset(  # they speak to this machine's desktop, devices or log: nobody is told there
    ("dbus", "kde", "qt", "gio", "glib", "gnome", "macosx", "windows", "syslog", "blink1", "file")
)


class TargetError(ValueError):
    """The sentence says what is wrong with the URL and what to write instead; it holds no part of a secret."""


@dataclass(frozen=True, slots=True)
class Target:
    """`plugin` is Apprise's own object with every second opinion (retries, optional, redirects) taken away."""

    plugin: Any = field(repr=False)
    asset: Any = field(repr=False)
    redactor: Redactor = field(repr=False)
    label: str
    url_id: str


def open_target(url: str) -> Target:
    """Raises TargetError."""
    scheme = _scheme_of(url)
    if len(parse_urls(url)) > 1:
        raise TargetError(
            "It holds several URLs; give each its own receiver, so that each delivery has its own record."
        )
    asset = _asset()
    with _quiet():
        plugin = Apprise.instantiate(url.strip(), asset=asset)
    if plugin is None:
        raise TargetError(_why_not(scheme))
    if type(plugin).category != "native":  # of the class: some services have an option of that name
        raise TargetError(f'"{scheme}://" runs code of its own and is not allowed as a receiver.')
    plugin.retry, plugin.optional, plugin.redirects, plugin.tags = 0, False, False, set()
    query = {key.lower() for key, _ in parse_qsl(split_url(url)[3], keep_blank_values=True)}
    if "overflow" not in query:
        plugin.overflow_mode = (
            OverflowMode.TRUNCATE
        )  # Apprise's default lets the service reject a long message altogether
    if len(plugin) > 1:
        raise TargetError(
            f"This {scheme}:// URL leads to {len(plugin)} targets, and one that fails would make the others hear it "
            "again. Make one receiver for each: the same URL with one target left in it, under its own name."
        )
    return _target(url, plugin, asset)


def _target(url: str, plugin: Any, asset: Any) -> Target:
    masked = split_url(plugin.url(privacy=True))
    host = split_url(url.strip())[1].rpartition("@")[2]
    name = re.split(r"[:,]", host)[0].lower()
    redactor = Redactor(url, hide_host=name not in masked[1].lower())
    # Apprise's masks keep first and last letters and every recipient: only scheme and host are taken from them.
    return Target(plugin, asset, redactor, f"{masked[0]}://{redactor.clean(host)}", plugin.url_id() or "")


def _asset() -> Any:
    return AppriseAsset(
        app_id="Overloop",
        app_desc="Overloop",
        app_url="",
        image_url_mask="",  # nothing shall be fetched from third parties when a person opens the message
        image_url_logo="",
        async_mode=False,  # in the helper's own thread: whoever hangs is killed with it
        service_timeout=0,  # the deadline is the parent's
        storage_mode=PersistentStoreMode.MEMORY,
        pgp_autogen=False,
        pem_autogen=False,
        plugin_paths=[],
        secure_logging=True,
        http_redirects=False,
        allow_templates=False,
        default_service_retry=0,
    )


def _scheme_of(url: str) -> str:
    found = _SCHEME.match(url)
    if found is None:
        raise TargetError('It is no Apprise URL: one begins with a scheme, as in "mailtos://" or "slack://".')
    scheme = found[1].lower()
    if scheme in _LOCAL:
        raise TargetError(f'"{scheme}://" reaches only this machine and is not allowed as a receiver.')
    known = NotificationManager()
    if scheme in known or scheme in ("http", "https"):
        return scheme
    near = difflib.get_close_matches(scheme, known.schemas(), n=1, cutoff=0.5)
    hint = f'; did you mean "{near[0]}://"?' if near else ". Apprise's documentation lists them."
    raise TargetError(f'There is no service with the scheme "{scheme}://"{hint}')


def _why_not(scheme: str) -> str:
    """Apprise's own error texts may quote the URL, so the sentence is made from the service's description."""
    if scheme in ("http", "https"):
        return (
            "It is a web address that belongs to none of the services Apprise knows; to post JSON to a server of "
            "your own, write json:// or jsons:// instead."
        )
    service = NotificationManager()[scheme]
    if not service.enabled:
        needs = service.requirements.get("packages_required") or "another package"
        needs = needs if isinstance(needs, str) else " and ".join(map(str, needs))
        return f'"{scheme}://" needs {needs}, which is not installed.'
    forms = " or ".join(form.replace("{schema}", scheme) for form in service.templates[:2])
    return f'The parts of this "{scheme}://" URL do not fit the service; it is written {forms}.'


class _quiet:  # noqa: N801  reads as a statement
    """Apprise logs why it refuses a URL, with parts of the URL."""

    def __enter__(self) -> None:
        logging.getLogger("apprise").disabled = True

    def __exit__(self, *_: object) -> None:
        logging.getLogger("apprise").disabled = False
