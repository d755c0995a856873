"""A first honest look at the budgeted shift detector: false pages on null streams, delays on changed ones.

`python -m bench.quality_quick [streams]`: 2,016 values a week, 14 days of reference, defaults. A page is an alarm with
24 hours of silence before it. Null streams run for five weeks after their reference, each under a detector of its own.
`bench/quality` is the full protocol; this one takes minutes.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np

from monitor.core.columns import Columns
from monitor.core.detectors.build import detector_watcher
from monitor.core.events import Batch, Floats
from monitor.core.rules.model import ColumnSetting, Detect, Position, Rule
from monitor.core.watcher import Mark

WEEK, DAY = 2016, 288
STEP, START = 300.0, 1_700_000_000.0
WEEKS = 5
TARGETS = {"1 sd": 25.0, "2 sd": 7.5, "variance x2": 120.0, "variance /4": 50.0}


def autoregressive(rng: np.random.Generator, phi: float, n: int) -> Floats:
    values, out, scale = 0.0, np.empty(n), float(np.sqrt(1 - phi * phi))
    for i, shock in enumerate(rng.normal(0, scale, n + 200).tolist()):
        values = phi * values + shock
        if i >= 200:
            out[i - 200] = values
    return out


def season(n: int) -> Floats:
    phase = 2 * np.pi * np.arange(n) / DAY
    return np.asarray(np.sin(phase + 1) + 0.5 * np.sin(2 * phase))


FAMILIES: dict[str, Callable[[np.random.Generator, int], Floats]] = {
    "i.i.d.": lambda rng, n: rng.normal(0, 1, n),
    "AR(.5)": lambda rng, n: autoregressive(rng, 0.5, n),
    "AR(.9)": lambda rng, n: autoregressive(rng, 0.9, n),
    "daily season": lambda rng, n: rng.normal(0, 1, n) + season(n),
    "season + AR(.7)": lambda rng, n: autoregressive(rng, 0.7, n) + season(n),
}


def alarms(values: Floats, tolerance: float | None = None) -> list[float] | None:
    """When alarms came after the reference, in values since its end; None if the stream was refused."""
    detect = Detect("shift", ("inputs.x",), tolerance=tolerance)
    rule = Rule("bench", "Shift", detect, "high", Position("-", 1, 1), resolve="person")
    watcher = detector_watcher(rule, "model", Columns({"inputs.x": ColumnSetting("number")}))
    at = START + np.arange(len(values)) * STEP
    found: list[float] = []
    for start in range(0, len(values), WEEK):
        part = slice(start, start + WEEK)
        told = values[part].tolist()
        n = len(told)
        offsets = np.arange(start, start + n)
        batch = Batch("model", [""] * n, at[part], at[part], offsets, {"inputs.x": told}, [None] * n)
        if start == 2 * WEEK:
            until = at[start - 1]
            watcher.apply(Mark("reference", until, body={"until": until}))
            if watcher.describe()["references"][0]["state"] == "refused":
                return None
        found += [f.evidence.at for f in watcher.observe(batch, at[part])]
    return [(moment - START) / STEP - 2 * WEEK for moment in found if moment >= START + 2 * WEEK * STEP]


def pages(moments: list[float]) -> int:
    count, last = 0, -np.inf
    for moment in moments:
        if moment >= last + DAY:
            count, last = count + 1, moment
    return count


def false_pages(family: str, streams: int) -> str:
    counts, refused = [], 0
    for seed in range(streams):
        rng = np.random.default_rng([seed, *family.encode()])
        found = alarms(FAMILIES[family](rng, (2 + WEEKS) * WEEK))
        refused += found is None
        counts += [pages(found)] if found is not None else []
    rate = sum(counts) / (WEEKS * len(counts))
    error = float(np.std(counts)) / WEEKS / len(counts) ** 0.5
    weeks = WEEKS * len(counts)
    return f"{family:16s} {rate:5.2f} +- {1.96 * error:4.2f} a week over {weeks} weeks, {refused} of {streams} refused"


def delays(kind: str, tolerance: float | None, streams: int) -> str:
    told, lost = [], 0
    for seed in range(streams):
        rng = np.random.default_rng([seed, *kind.encode()])
        values = rng.normal(0, 1, 3 * WEEK)
        change = 2 * WEEK + int(rng.integers(20, 300))
        if kind.endswith("sd"):
            values[change:] += float(kind.split()[0])
        else:
            values[change:] *= {"variance x2": 2**0.5, "variance /4": 0.5}[kind]
        found = alarms(values, tolerance) or []
        after = [moment for moment in found if moment >= change - 2 * WEEK]
        lost += not after
        told.append(after[0] - (change - 2 * WEEK) + 1 if after else float(len(values) - change))
    usual = "default" if tolerance is None else f"{tolerance:g}"
    target = f" (target {TARGETS[kind]:g})" if tolerance is None and kind in TARGETS else ""
    mean, middle = float(np.mean(told)), float(np.median(told))
    return f"{kind:12s} tolerance {usual:8s} mean {mean:6.1f}, median {middle:5.1f} values, {lost} missed{target}"


def main(streams: int) -> None:
    print("False pages, budget 1 a week (target: at most 1.0, upper limit 1.25)")
    for family in FAMILIES:
        print(" ", false_pages(family, streams), flush=True)
    print("Delays on i.i.d. values, in values")
    for kind in ("0.5 sd", "1 sd", "2 sd", "variance x2", "variance /4"):
        for tolerance in (None, 0.0):
            print(" ", delays(kind, tolerance, streams), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
