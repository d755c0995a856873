"""River's other change detectors in a tight loop over an array.

Costs per value: PageHinkley 0.3 us, DDM 0.3, EDDM 0.15, FHDDM 0.2, HDDM-A 2.0, HDDM-W 2.5, KSWIN 85 to 170 (a test of
scipy's at each value). The first use imports `river.drift`: two seconds, 130 MB.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from monitor.core.detectors.pickles import pack, unpack
from monitor.core.events import Floats
from monitor.core.state import StateError

CLASSES: Mapping[str, tuple[str, str]] = {
    "page_hinkley": ("river.drift", "PageHinkley"),
    "kswin": ("river.drift", "KSWIN"),
    "ddm": ("river.drift.binary", "DDM"),
    "eddm": ("river.drift.binary", "EDDM"),
    "hddm_a": ("river.drift.binary", "HDDMA"),
    "hddm_w": ("river.drift.binary", "HDDMW"),
    "fhddm": ("river.drift.binary", "FHDDM"),
}
WHOLE = frozenset({"ddm", "eddm", "hddm_a", "hddm_w", "fhddm"})  # these want the integers 0 and 1
FOLLOWS = "_epsilon"  # of FHDDM: what it makes of its level of confidence
DERIVED = "_test_drift"  # a bound method PageHinkley keeps; made again from `mode`, never pickled


class RiverScalar:
    """`ScalarDetector` around the River detector `method`.

    River's FHDDM finds a fall of the mean (its papers feed 1 for a correct answer); `harm` feeds 1 for an error, so
    it gets the complement.
    """

    def __init__(self, method: str, parameters: Mapping[str, Any]) -> None:
        module, name = CLASSES[method]
        self._method = method
        self._parameters = dict(parameters)
        self._class = getattr(importlib.import_module(module), name)
        self._river = self._class(**self._parameters)

    def first(self, values: Floats) -> int:
        river = self._river
        update = river.update
        for index, value in enumerate(self._prepare(values)):
            update(value)
            if river.drift_detected:
                return index
        return -1

    def _prepare(self, values: Floats) -> list[Any]:
        if self._method not in WHOLE:
            return list(values.tolist())
        ones = values != 0
        return list((~ones if self._method == "fhddm" else ones).astype(int).tolist())

    def retune(self, parameters: Mapping[str, Any]) -> None:
        """Go on from what it has seen with other parameters."""
        self._parameters |= {name: value for name, value in parameters.items() if name in self._parameters}
        fresh = self._class(**self._parameters)
        kept = {DERIVED, FOLLOWS, *self._parameters}
        vars(fresh).update({name: value for name, value in vars(self._river).items() if name not in kept})
        self._river = fresh

    def save(self) -> Any:
        return {"pickle": pack({name: value for name, value in vars(self._river).items() if name != DERIVED})}

    def load(self, saved: Any) -> None:
        attributes = unpack(saved["pickle"])
        fresh = self._class(**self._parameters)
        if attributes.keys() != vars(fresh).keys() - {DERIVED}:
            raise StateError(f"the saved {self._method} has other attributes than River's of today")
        vars(fresh).update(attributes)
        self._river = fresh
