"""How much of the proof is run, drawn by which seed, and where its results go.

`make test` runs a tenth, `make survival` all: OVERLOOP_SURVIVAL=all. OVERLOOP_SURVIVAL_SEED gives the seed of an
earlier run, OVERLOOP_SURVIVAL_RESULTS a folder for results in JSON.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

T = TypeVar("T")

ALL: Final = os.environ.get("OVERLOOP_SURVIVAL") == "all"
SEED: Final = int(os.environ.get("OVERLOOP_SURVIVAL_SEED") or random.SystemRandom().randrange(10_000))
JOBS: Final = int(os.environ.get("OVERLOOP_SURVIVAL_JOBS") or 6)  # daemons at once: mostly they wait


def drawn(cells: Sequence[T]) -> list[T]:
    """All of them, or a tenth by the seed."""
    if ALL:
        return list(cells)
    wanted = set(random.Random(SEED).sample(range(len(cells)), max(1, round(len(cells) / 10))))
    return [cell for number, cell in enumerate(cells) if number in wanted]


def keep(kind: str, name: str, found: dict[str, Any]) -> None:
    """One result, a file `KIND--NAME.json`, if anybody wants it."""
    folder = os.environ.get("OVERLOOP_SURVIVAL_RESULTS")
    if folder is None:
        return
    Path(folder).mkdir(parents=True, exist_ok=True)
    path = Path(folder) / f"{kind}--{name.replace(' ', '-')}.json"
    path.write_text(json.dumps({"kind": kind, "name": name, "seed": SEED, **found}) + "\n")
