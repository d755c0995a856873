"""What settings must be together, beyond each by itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from monitor.settings.errors import unknown
from monitor.settings.model import Receiver, Settings
from monitor.settings.place import Key
from monitor.settings.verify_telling import telling_contradictions

NOTIFY = "notify"  # the receiver that $OVERLOOP_NOTIFY makes


def contradictions(settings: Settings, environ: Mapping[str, str]) -> Iterator[tuple[Key, str]]:
    """What is wrong, each as the key concerned and a sentence."""
    if (settings.tls_cert is None) != (settings.tls_key is None):
        there, missing = ("tls_cert", "tls_key") if settings.tls_cert else ("tls_key", "tls_cert")
        yield (there,), f"{missing} is missing: TLS needs both tls_cert and tls_key."
    for name, file in (("tls_cert", settings.tls_cert), ("tls_key", settings.tls_key)):
        if file and (problem := _unreadable(file)):
            yield (name,), f"{name} names {file}, which cannot be read: {problem}."
    for folder in settings.rules:
        if not folder.is_dir():
            yield ("rules",), f"rules names {folder}, which is not a folder."
    if 1 < settings.partitions < settings.engines:
        both = f"engines = {settings.engines} with partitions = {settings.partitions}"
        yield ("engines",), f"{both}: an engine without a partition would watch nothing. Lower engines."
    if settings.single and settings.engines > 1:
        yield ("engines",), f"engines = {settings.engines} contradicts single, which runs everything in one process."
    if environ.get("OVERLOOP_NOTIFY") and NOTIFY in settings.receivers:
        yield ("receivers", NOTIFY), f'"{NOTIFY}" is the receiver that $OVERLOOP_NOTIFY makes: call this one otherwise.'
    for name, receiver in settings.receivers.items():
        yield from _receiver(name, receiver)
        if receiver.fallback is not None and (receiver.fallback not in settings.receivers or receiver.fallback == name):
            there = unknown("other receiver called", receiver.fallback, {*settings.receivers} - {name})
            yield ("receivers", name, "fallback"), f"receivers.{name}.fallback: {there}"
        if receiver.ack_links and settings.public_url is None:
            yield ("receivers", name, "ack_links"), f"receivers.{name}.ack_links needs public_url: where links lead."
    for name in settings.digest.receivers:
        if name not in settings.receivers and name != NOTIFY:
            yield ("digest", "receivers"), "digest.receivers: " + unknown("receiver called", name, settings.receivers)
        elif name != NOTIFY and settings.receivers[name].type in ("pagerduty", "alertmanager"):
            kind = settings.receivers[name].type
            yield (
                ("digest", "receivers"),
                f'digest.receivers: "{name}" is a {kind}, and a digest is no alert.',
            )
    yield from telling_contradictions(settings)


def _receiver(name: str, receiver: Receiver) -> Iterator[tuple[Key, str]]:
    key = ("receivers", name)
    if not name or len(name) > 100 or not name.isprintable():
        yield key, f"The name of a receiver has 1 to 100 printable characters; {name[:40]!a} does not."
    url, secret = (receiver.url_env, receiver.url_credential), (receiver.key_env, receiver.key_credential)
    if receiver.type == "pagerduty":
        if secret.count(None) != 1:
            yield key, f"receivers.{name} needs either key_env or key_credential: where its routing key is to be found."
    elif url.count(None) != 1:
        yield key, f"receivers.{name} needs either url_env or url_credential: where its address is to be found."
    hook = (receiver.hook_env, receiver.hook_credential)
    if hook != (None, None) and (receiver.type != "pagerduty" or None not in hook):
        yield key, f"receivers.{name}: one of hook_env and hook_credential is for the type pagerduty."
    if receiver.ack_links and receiver.type in ("pagerduty", "alertmanager"):
        yield key, f"receivers.{name}.ack_links: a {receiver.type} shows no text to people, so nobody would see a link."
    if receiver.type == "webhook" and None not in secret:
        yield key, f"receivers.{name} has both key_env and key_credential: name one place of the key it signs with."
    if receiver.type in ("apprise", "alertmanager") and secret != (None, None):
        yield key, f"receivers.{name} is of the type {receiver.type}, which takes no key: all is in its address."
    if receiver.type == "pagerduty" and url != (None, None):
        yield key, f"receivers.{name} is of the type pagerduty, whose address is known: take url_env away."
    if receiver.type == "apprise" and receiver.public_only:
        yield key, f"receivers.{name}.public_only: Apprise connects by itself, so this is for the other types only."


def _unreadable(file: Path) -> str | None:
    try:
        file.open("rb").close()
    except OSError as error:
        return error.strerror
    return None
