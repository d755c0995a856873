"""The last known state of a gate in a file, so that a halt survives a restart of the service."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import stat
from pathlib import Path

from .gate_reading import Reading, from_json, older

_LARGEST = 1 << 20


class Untrusted(Exception):  # noqa: N818
    """There is a file, and it is not what was written: nobody may rely on it."""


class GateFile:
    """Mode 0600, one for each model and address; its HMAC-SHA256 is keyed with the token, so that whoever can write the
    file but does not have the token cannot open a gate with it."""

    def __init__(self, folder: Path, url: str, model: str, token: str | None) -> None:
        name = hashlib.sha256(f"{url}\0{model}".encode("utf-8", "replace")).hexdigest()[:24]
        self.path = folder / f"{name}.json"
        self._key = hashlib.sha256(b"overloop gate file\0" + (token or "").encode()).digest()

    def load(self) -> Reading | None:
        """What was kept, None if there is no file. Raises Untrusted, OSError."""
        try:
            descriptor = os.open(self.path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as problem:
            raise Untrusted(f"{self.path} cannot be opened ({problem.strerror})") from None
        try:
            about = os.fstat(descriptor)
            if not stat.S_ISREG(about.st_mode) or about.st_uid != os.geteuid() or about.st_mode & 0o077:
                raise Untrusted(f"{self.path} is not a file of this user alone (mode 0600)")
            data = os.read(descriptor, _LARGEST)
        finally:
            os.close(descriptor)
        try:
            kept = json.loads(data)
            said, seal = str(kept["gate"]), str(kept["hmac"])
        except (ValueError, KeyError, TypeError):
            raise Untrusted(f"{self.path} is damaged") from None
        reading = from_json(said)
        if reading is None or not hmac.compare_digest(self._seal(said), seal):
            raise Untrusted(f"{self.path} was not written with this token")
        return reading

    def save(self, reading: Reading) -> None:
        """Replace what is kept, unless another process of the service has kept something newer. Raises OSError."""
        try:
            if older(reading, self.load()):
                return
        except Untrusted:
            pass  # what cannot be trusted is no better than nothing
        said = reading.to_json()
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = self.path.with_name(f".{self.path.name}.{os.getpid()}-{os.urandom(4).hex()}")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump({"gate": said, "hmac": self._seal(said)}, file)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self.path)
        except BaseException:
            fresh.unlink()
            raise

    def _seal(self, said: str) -> str:
        return hmac.new(self._key, said.encode(), hashlib.sha256).hexdigest()


def folder(given: str | None) -> Path | None:
    """Where the files are: as given, or OVERLOOP_STATE, or the user's folder for states. None: nowhere, for ""."""
    if given is None:
        given = os.environ.get("OVERLOOP_STATE")
    if given is not None:
        return Path(given) if given else None
    base = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    try:
        return Path(base).expanduser() / "overloop-client"
    except RuntimeError:  # nobody's home is known
        return None
