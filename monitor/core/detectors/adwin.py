"""ADWIN in array form: River's Rust core, driven by `map`, with the reset of River's wrapper.

Bifet and Gavalda, Learning from time-changing data with adaptive windowing, 2007. Importing the core alone takes
milliseconds; `river.drift` takes two seconds and brings scipy. 0.04 us a value.
"""

from __future__ import annotations

import operator
import struct
from collections.abc import Mapping
from typing import Any

from river import __version__ as river_version
from river._river_rust.drift import AdaptiveWindowing

from monitor.core.events import Floats
from monitor.core.state import StateError

PARAMETERS = ("delta", "clock", "max_buckets", "min_window_length", "grace_period")


class Adwin:
    """`ScalarDetector`. After a detection River's wrapper throws its window away at the next update; so does this."""

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        self._parameters = {name: parameters[name] for name in PARAMETERS}
        self._core = AdaptiveWindowing(**self._parameters)
        self._fired = False

    def first(self, values: Floats) -> int:
        if not len(values):
            return -1
        if self._fired:
            self._core = AdaptiveWindowing(**self._parameters)
        rest = iter(values.tolist())
        self._fired = any(map(self._core.update, rest))
        return len(values) - operator.length_hint(rest) - 1 if self._fired else -1

    def retune(self, parameters: Mapping[str, Any]) -> None:
        """Go on with the same window and another `delta`. Raises StateError if this version of River cannot."""
        delta = struct.pack("<d", parameters["delta"])
        self._parameters["delta"] = parameters["delta"]
        core, fresh = self._core.__getstate__(), AdaptiveWindowing(**self._parameters)
        if not isinstance(core, bytes) or fresh.__getstate__()[:8] != delta:
            raise StateError(f"River {river_version} keeps the delta of an ADWIN elsewhere")
        fresh.__setstate__(delta + core[8:])
        self._core = fresh

    def save(self) -> Any:
        return {"river": river_version, "core": self._core.__getstate__(), "fired": self._fired}

    def load(self, saved: Any) -> None:
        if saved["river"] != river_version:
            raise StateError(f"ADWIN was saved by River {saved['river']} and this is {river_version}")
        core = AdaptiveWindowing(**self._parameters)
        try:
            core.__setstate__(saved["core"])
        except BaseException as problem:  # a panic of the Rust core is no Exception
            if isinstance(problem, KeyboardInterrupt | SystemExit):
                raise
            raise StateError(f"the state of an ADWIN cannot be read: {problem}") from problem
        self._core, self._fired = core, saved["fired"]
