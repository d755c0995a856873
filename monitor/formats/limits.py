"""How large things may be."""

from __future__ import annotations

from typing import Final

LINE_BYTES: Final = 1 << 20
DEPTH: Final = 32  # the event itself is 1, `inputs` is 2
COLUMNS: Final = 4_096  # of one event
PATH: Final = 200  # characters of a dotted path
NAME: Final = 200  # characters of an id, a model, a version
FIRST_SECOND: Final = -62_135_596_800  # 0001-01-01T00:00:00Z
LAST_SECOND: Final = 253_402_300_800  # 10000-01-01T00:00:00Z, excluded
