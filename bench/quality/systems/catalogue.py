"""Every system, by the name that `--systems` takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from bench.quality.systems.base import System
from bench.quality.systems.external import EXTERNAL, External
from bench.quality.systems.overloop import Overloop
from bench.quality.systems.river import BINARY, River, Trees
from bench.quality.systems.trivial import AlwaysSilent, Periodic, ThreeSigma

CATALOGUE: Mapping[str, Callable[[], System]] = {
    "overloop": Overloop,
    **{f"river-{method}": partial(River, method) for method in ("adwin", "pagehinkley", "kswin", *BINARY)},
    "river-halfspacetrees": Trees,
    **{name: partial(External, name) for name in EXTERNAL},
    "always-silent": AlwaysSilent,
    "periodic": Periodic,
    "three-sigma": ThreeSigma,
}
DEFAULT = ("overloop", "river-adwin", "river-pagehinkley", "river-kswin", "always-silent", "periodic", "three-sigma")


def systems(names: str | None) -> list[System]:
    """Systems by their names, separated by commas. Raises ValueError naming the first that is unknown."""
    picked = [name.strip() for name in names.split(",") if name.strip()] if names else list(DEFAULT)
    for name in picked:
        if name not in CATALOGUE:
            raise ValueError(f"There is no system {name!r}; there are {', '.join(CATALOGUE)}.")
    return [CATALOGUE[name]() for name in dict.fromkeys(picked)]
