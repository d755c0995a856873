"""Settings from a file, the environment and flags, in rising order. Without any of them the defaults hold."""

from __future__ import annotations

import contextlib
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from monitor.settings.errors import SettingsError, nearest
from monitor.settings.model import Settings
from monitor.settings.place import Key, line_of
from monitor.settings.read import Reader
from monitor.settings.verify import contradictions

FILE = "overloop.toml"
PREFIX = "OVERLOOP_"
# Variables with our prefix that are no settings: read by the CLI, the client and the policy.
OTHERS = ("CONFIG", "NOTIFY", "TOKEN", "URL")
TELLING = (
    "receivers",
    "routes",
    "time_intervals",
    "inhibit_rules",
    "maintenance",
    "policies",
    "schedules",
)  # file only
TABLES = ("spool", "notices", "heartbeat", "digest", "log")  # whose keys the environment may set, too


def load(flags: Mapping[str, Any] | None = None, environ: Mapping[str, str] = os.environ) -> Settings:
    """Settings as they hold now; `flags` are by name (`home`, `listen`, `rules`, `single`, `config`), None = not given.

    Raises SettingsError. The file is the one named by --config or $OVERLOOP_CONFIG, else overloop.toml in
    $CONFIGURATION_DIRECTORY or in the home folder.
    """
    given = {name: value for name, value in (flags or {}).items() if value is not None}
    named = given.pop("config", None) or environ.get(PREFIX + "CONFIG")
    given = {**_from_environment(environ), **_from_flags(given)}
    home = _absolute(given.get("home") or _default_home(environ))
    source = _find(named, home, environ)
    settings = source.settings()
    if settings.home == Path():
        settings = msgspec.structs.replace(settings, home=home)
    elif not named and source.file == home / FILE:
        source.refuse(("home",), "home cannot be set by a file that was itself found in the home folder.")
    settings = _overlay(settings, given)
    for key, sentence in contradictions(settings, environ):
        source.refuse(key, sentence)
    if settings.partitions == 1:  # each engine needs one at least
        settings = msgspec.structs.replace(settings, partitions=settings.engines)
    return settings


class _Source:
    """The file, or nothing. `refuse` says where in it the trouble is."""

    def __init__(self, file: Path | None) -> None:
        self.file = file
        self.text = ""

    def settings(self) -> Settings:
        if self.file is None:
            return Settings()
        try:
            self.text = self.file.read_bytes().decode()
            values = tomllib.loads(self.text)
        except OSError as error:
            raise SettingsError(f"{self.file} cannot be read: {error.strerror}.") from None
        except UnicodeDecodeError:
            raise SettingsError(f"{self.file} is not UTF-8 text.") from None
        except tomllib.TOMLDecodeError as error:
            raise SettingsError(f"{self.file} is not valid TOML: {error}.") from None
        self._refuse_addresses(values.get("receivers"))
        return _beside(self.file.parent, Reader(self.refuse).table(Settings, values))

    def refuse(self, key: Key, sentence: str) -> NoReturn:
        line = line_of(self.text, key)
        place = f"{self.file}{f', line {line}' if line else ''}: " if self.file else ""
        raise SettingsError(place + sentence)

    def _refuse_addresses(self, receivers: object) -> None:
        tables = receivers.items() if isinstance(receivers, dict) else ()
        for name, receiver in tables:
            for key, what in (("url", "address"), ("key", "key"), ("hook", "webhook secret")):
                if isinstance(receiver, dict) and key in receiver:
                    self.refuse(
                        ("receivers", name, key),
                        f"receivers.{name}.{key} is refused: the {what} of a receiver is a secret and does not belong "
                        f'in a file. Put it into an environment variable and name that with {key}_env = "...", or into '
                        f'a credential and name that with {key}_credential = "...".',
                    )


def _find(named: str | Path | None, home: Path, environ: Mapping[str, str]) -> _Source:
    if named:
        try:
            return _Source(_absolute(Path(named).expanduser()))
        except RuntimeError:
            raise SettingsError(f"{named} begins with the home folder of a user that there is not.") from None
    folders = [Path(folder) for folder in environ.get("CONFIGURATION_DIRECTORY", "").split(":") if folder]
    for file in (folder / FILE for folder in folders):
        if _is_there(file):
            return _Source(file)
    with contextlib.suppress(SettingsError):  # whoever opens the home says what is wrong with it
        return _Source(home / FILE if _is_there(home / FILE) else None)
    return _Source(None)


def _is_there(file: Path) -> bool:
    try:
        return file.exists()
    except OSError as error:  # the folder may not be entered
        raise SettingsError(f"{file} cannot be read: {error.strerror}.") from None


def _beside(folder: Path, settings: Settings) -> Settings:
    """Relative paths in a file start at its folder."""
    paths = {name: getattr(settings, name) for name in ("home", "tls_cert", "tls_key")}
    moved = {name: folder / path for name, path in paths.items() if path not in (None, Path())}
    return msgspec.structs.replace(settings, **moved, rules=tuple(folder / path for path in settings.rules))


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    """OVERLOOP_LISTEN is `listen`, OVERLOOP_SPOOL_RETAIN_DAYS `spool.retain_days`; OVERLOOP_RULES is a search path."""
    names = _variables()
    given: dict[str, Any] = {}
    for variable, value in environ.items():
        word = variable.removeprefix(PREFIX)
        if word == variable or word in OTHERS or not value:
            continue
        if word not in names:
            # A near miss is a mistake. Anything else may be somebody else's: Kubernetes sets OVERLOOP_PORT and more.
            if close := nearest(word, (*names, *OTHERS), cutoff=0.8):
                raise SettingsError(f"{variable} is not a setting. Did you mean {PREFIX}{close}?")
            continue
        key = names[word]
        raw = value.split(os.pathsep) if key == ("rules",) else value
        given[".".join(key)] = _read_one(key, raw, variable)
    return given


def _from_flags(flags: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _read_one((name,), value, f"--{name.replace('_', '-')}") for name, value in flags.items()}


def _read_one(key: tuple[str, ...], raw: object, source: str) -> Any:
    def refuse(key: Key, sentence: str) -> NoReturn:
        raise SettingsError(f"{source}: {sentence}")

    nested: dict[str, Any] = {key[-1]: raw}
    for table in reversed(key[:-1]):
        nested = {table: nested}
    found: Any = Reader(refuse, lax=True).table(Settings, nested)
    for part in key:
        found = getattr(found, part)
    return found


def _variables() -> dict[str, tuple[str, ...]]:
    """The part of each variable's name after the prefix -> the key it sets."""
    plain = [field.name for field in msgspec.structs.fields(Settings) if field.name not in (*TABLES, "models")]
    names: dict[str, tuple[str, ...]] = {name.upper(): (name,) for name in plain if name not in TELLING}
    for table in TABLES:
        kind = type(getattr(Settings(), table))
        names |= {f"{table}_{f.name}".upper(): (table, f.name) for f in msgspec.structs.fields(kind)}
    return names


def _overlay(settings: Settings, given: Mapping[str, Any]) -> Settings:
    for key, value in given.items():
        table, _, name = key.rpartition(".")
        if table:
            value = msgspec.structs.replace(getattr(settings, table), **{name: value})
        if key in ("home", "tls_cert", "tls_key"):
            value = _absolute(value)
        if key == "rules":
            value = tuple(map(_absolute, value))
        settings = msgspec.structs.replace(settings, **{table or name: value})
    return settings


def _default_home(environ: Mapping[str, str]) -> Path:
    if state := environ.get("STATE_DIRECTORY", "").split(":")[0]:
        return Path(state)
    if base := environ.get("XDG_STATE_HOME", ""):
        return Path(base) / "overloop"
    try:
        return Path.home() / ".local" / "state" / "overloop"
    except RuntimeError:
        raise SettingsError("No home folder can be found for this user: name one with --home.") from None


def _absolute(path: Path) -> Path:
    return path.absolute()
