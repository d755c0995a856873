"""One River detector, tuned to a run length, made when it is first needed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from monitor.core.detectors.base import ScalarDetector
from monitor.core.detectors.ranked.calibrate import calibrated
from monitor.core.detectors.shift import scalar_maker
from monitor.core.events import Floats
from monitor.core.state import StateError


class Tuned:
    """`parameters` are the rule's; `rate` is None for ranks, the largest tolerable rate for harm."""

    def __init__(self, method: str, parameters: Mapping[str, Any]) -> None:
        self.method, self.parameters = method, dict(parameters)
        self.asked = math.nan  # the run length that was asked for, before pages of late made it dearer
        self.own: dict[str, Any] | None = None  # parameters in force
        self.detector: ScalarDetector | None = None

    def start(self, asked: float, dearer: float, rate: float | None) -> bool:
        """Begin from nothing, with the run length asked for times `dearer`; False if the detector cannot be set so."""
        self.asked = asked
        self.own = calibrated(self.method, self.parameters, asked * dearer, rate)
        self.detector = None if self.own is None else self._make(rate)
        return self.detector is not None

    def retune(self, asked: float, dearer: float, rate: float | None) -> bool:
        """Go on, as rarely as asked for by now: another series has come, or gone. False if it cannot be set so."""
        own = calibrated(self.method, self.parameters, asked * dearer, rate)
        self.asked = asked
        if own is None or self.detector is None:
            return False
        if own != self.own:
            self.own = own
            try:
                self.detector.retune(own)
            except StateError:
                self.detector = self._make(rate)
        return True

    def stop(self) -> None:
        self.detector = None

    def first(self, values: Floats) -> int:
        assert self.detector is not None
        return self.detector.first(values)

    def _make(self, rate: float | None) -> ScalarDetector:
        up = {"mode": "up"} if self.method == "page_hinkley" and rate is not None else {}
        return scalar_maker(self.method, self.own or {}, **up)()

    def save(self) -> Any:
        return [self.asked, self.own, None if self.detector is None else self.detector.save()]

    def load(self, saved: Any, rate: float | None) -> None:
        """Raises StateError where this version of River cannot go on from it."""
        self.asked, own, detector = saved
        self.own = None if own is None else dict(own)
        self.detector = None
        if detector is not None:
            made = self._make(rate)
            made.load(detector)
            self.detector = made
