"""What the daemon watches about itself. `self_findings` judges facts; it reads none."""

from __future__ import annotations

from typing import Final

DISK_LOW: Final = 2.0  # times the floor: below it people are told, above three times the floor it is over
_FLOOR: Final = 512 << 20  # bytes


def disk_floor(whole: float) -> float:
    """Bytes of free space on a disk of `whole` bytes below which it is as good as full."""
    return min(float(_FLOOR), 0.025 * whole)
