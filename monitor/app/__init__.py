"""Putting the parts together: build, start, reload, stop. Embeddable: nothing here needs a terminal."""

from __future__ import annotations

import sys

if "rich" not in sys.modules:
    # structlog loads it where it finds it, for traces that are not printed here: 4 MB and a tenth of a second.
    sys.modules["rich"] = None  # type: ignore[assignment]
    import structlog

    assert structlog is not None
    del sys.modules["rich"]
