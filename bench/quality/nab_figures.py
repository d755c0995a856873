"""What each system reached on the Numenta benchmark's files, from the rows of the part `nab`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bench.quality.limits import Rate
from bench.quality.nab_score import PROFILES, File, normalised
from bench.quality.results import Result, Table


@dataclass(frozen=True, slots=True)
class NabFigures:
    """Scores by profile; pages a week before the first window; windows found, and files refused, of how many."""

    system: str
    scores: tuple[float, ...]
    pages: Rate | None
    found: tuple[int, int]
    refused: tuple[int, int]


def nab_figures(results: Sequence[Result]) -> list[NabFigures]:
    """One a system, over all files together."""
    table = Table(results, "nab")
    made = []
    for system in table.systems:
        cells = [r for group in table.groups for r in table.cells.get((group, system), [])]
        files = [
            File(r.extra["rows"], tuple((a, b) for a, b in r.extra["windows"]), tuple(r.extra["pages"])) for r in cells
        ]
        windows = [(f, w) for f in files for w in f.windows]
        found = sum(any(w[0] <= page <= w[1] for page in f.detections) for f, w in windows)
        pooled = Table([replace(r, group="all") for r in cells], "nab").false("all", system)
        scores = tuple(normalised(files, profile) for profile in PROFILES.values())
        refused = (sum(r.refused for r in cells), len(cells))
        made.append(NabFigures(system, scores, pooled, (found, len(windows)), refused))
    return made
