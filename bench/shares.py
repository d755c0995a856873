"""Where the pump's time goes: the processor time of its row by part, from samples of the stack.

A timer of processor time interrupts the pump; each sample counts for the part that the innermost of our frames belongs
to, with the library's time that it waits for. `py-spy record -- python -m bench.speed --only pump` draws the same as a
flame graph, for those who have it.
"""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from bench import pump
from bench.events import lines as make_lines
from bench.results import Row

EVERY = 0.002  # seconds of processor time between samples; the kernel may make them more
PARTS = {  # path below the package, with a function where one file has two parts -> what is done there
    "spool/": "spool: read, checksum, inflate",
    "formats/typed.py:read": "JSON into structs",
    "formats/": "structs into columns",
    "core/events.py": "columns into arrays of numbers",
    "core/detectors/adwin.py": "River's ADWIN",
    "core/detectors/trees.py": "half-space trees",
    "core/detectors/budget/": "shift under the budget",
    "core/detectors/staked/": "shift under the budget",
    "core/detectors/": "around River's detectors: scales, baselines, routes",
    "core/rules/": "rules and their windows",
    "core/windows/": "rules and their windows",
    "core/": "the rest of observe and decide",
    "store/": "the ledger: statements and commit",
}
REST = "the pump itself"


def rows(events: int, runs: int, seed: int) -> list[Row]:
    """`pump_shares`: per cent of the processor time of `Pump.turn`, largest first."""
    lines, found = make_lines(events, seed), Counter[str]()
    pump.pump(lines[:2_000])  # what is loaded once is no part of it
    for _ in range(runs):
        with _sampling(found):
            pump.pump(lines)
    samples = sum(found.values())
    shares = {part: round(100 * count / samples, 1) for part, count in found.most_common()}
    first = next(iter(shares.values()))
    about = {"name": "pump_shares", "value": first, "unit": "%", "baseline": 100, "ratio": round(first / 100, 3)}
    return [about | {"runs": [first], "shares": shares, "samples": samples, "events": events * runs}]


@contextmanager
def _sampling(found: Counter[str]) -> Iterator[None]:
    def sample(number: int, frame: FrameType | None) -> None:
        if (part := part_of(frame)) is not None:
            found[part] += 1

    before = signal.signal(signal.SIGPROF, sample)
    signal.setitimer(signal.ITIMER_PROF, EVERY, EVERY)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0.0)
        signal.signal(signal.SIGPROF, before)


def part_of(frame: FrameType | None) -> str | None:
    """The part that a stack is in; None outside a turn of the pump."""
    part = None
    while frame is not None:
        code, file = frame.f_code, frame.f_code.co_filename.rpartition("/monitor/")[2]
        if part is None:
            place = f"{file}:{code.co_name}"
            part = next((what for start, what in PARTS.items() if place.startswith(start)), None)
        if file == "runtime/pump.py" and code.co_name == "turn":
            return part or REST
        frame = frame.f_back
    return None
