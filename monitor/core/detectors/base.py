"""What a detector is below its watcher: arrays in, positions or scores out; no columns, clocks or rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from monitor.core.events import Floats

Matrix = npt.NDArray[np.float64]  # shape (rows, columns)


class ScalarDetector(Protocol):
    """A change detector over one stream of finite numbers. Feeding it in pieces changes nothing."""

    def first(self, values: Floats) -> int:
        """Take values up to and including the first one at which a change shows; its index, or -1 after all of them.

        Values behind the index are not taken. The call after a detection starts from nothing, as River's wrappers do.
        """
        ...

    def retune(self, parameters: Mapping[str, Any]) -> None:
        """Go on from what was seen with other parameters. Raises `core.state.StateError` if River cannot."""
        ...

    def save(self) -> Any: ...

    def load(self, saved: Any) -> None:
        """Continue from `save`. Raises `core.state.StateError` if this version of River cannot."""
        ...


class VectorDetector(Protocol):
    """Scores rows of one fixed set of columns by how unlike the learned rows they are. Higher is more unusual."""

    def learn(self, matrix: Matrix) -> None:
        """Learn finite rows, in order."""
        ...

    def score(self, matrix: Matrix) -> Floats:
        """One score per row; never learns. NaN where the detector has not learned enough to say anything."""
        ...

    def save(self) -> Any: ...

    def load(self, saved: Any) -> None: ...

    def memory(self) -> int: ...


def every(detector: ScalarDetector, values: Floats) -> list[int]:
    """The indices of all detections in `values`."""
    found: list[int] = []
    start = 0
    while start < len(values):
        hit = detector.first(values[start:])
        if hit < 0:
            break
        found.append(start + hit)
        start += hit + 1
    return found
