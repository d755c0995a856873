"""Attributes of a River object as bytes: a framed pickle with River's version; names are allowed one by one."""

from __future__ import annotations

import io
import pickle
from typing import Any

from river import __version__ as river_version

from monitor.core.state import StateError

MAGIC = b"OVRP1"
ALLOWED = frozenset(
    {
        ("collections", "deque"),
        ("numpy", "dtype"),
        ("numpy._core.multiarray", "scalar"),
        ("random", "Random"),
        ("river._river_rust.stats", "RsEWMean"),
        ("river.drift.binary.hddm_w", "SampleInfo"),
        ("river.stats.ewmean", "EWMean"),
        ("river.stats.mean", "Mean"),
        ("river.stats.var", "Var"),
    }
)


class _Careful(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"{module}.{name} is not allowed in a saved detector")
        return super().find_class(module, name)


def pack(attributes: dict[str, Any]) -> bytes:
    """Bytes of a River object's attributes.

    Pickles of equal objects may differ where one of them has been through a pickle before (shared strings are
    written once); one more round trip makes them equal, and the sha256 of a bank needs that.
    """
    once = pickle.dumps(attributes, protocol=5)
    body = pickle.dumps(_loads(once), protocol=5)
    version: bytes = river_version.encode()
    return MAGIC + len(version).to_bytes(1, "little") + version + body


def unpack(data: bytes) -> dict[str, Any]:
    """The attributes again. Raises StateError: another River, a name that is not allowed, broken bytes."""
    head = len(MAGIC)
    if data[:head] != MAGIC or len(data) <= head:
        raise StateError("these bytes are no saved River detector")
    end = head + 1 + data[head]
    version = data[head + 1 : end].decode("utf-8", "replace")
    if version != river_version:
        raise StateError(f"the detector was saved by River {version} and this is {river_version}")
    try:
        attributes = _loads(data[end:])
    except Exception as problem:
        raise StateError(f"a saved River detector cannot be read: {problem}") from problem
    if not isinstance(attributes, dict):
        raise StateError("a saved River detector holds no attributes")
    return attributes


def _loads(body: bytes) -> Any:
    return _Careful(io.BytesIO(body)).load()
