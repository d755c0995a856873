"""The baseline: River's detectors in a bare loop, no daemon, no durability: the least that anybody would write."""

from __future__ import annotations

import time
from collections.abc import Sequence

import msgspec
from river import anomaly, compose, drift, preprocessing

from bench.events import NUMBERS


def run(lines: Sequence[bytes], delta: float) -> tuple[float, list[tuple[str, int]]]:
    """Seconds taken, and every drift found as (column, event number); a column is not watched after its first."""
    decode = msgspec.json.Decoder().decode
    adwins = {name: drift.ADWIN(delta=delta) for name in (*NUMBERS, "confidence")}
    trees = compose.Pipeline(preprocessing.MinMaxScaler(), anomaly.HalfSpaceTrees(n_trees=10, height=8, seed=42))
    found: list[tuple[str, int]] = []
    began = time.perf_counter()
    for number, line in enumerate(lines):
        event = decode(line)
        values = {name: event["inputs"][name] for name in NUMBERS}
        trees.score_one(values)
        trees.learn_one(values)
        for name, value in (*values.items(), ("confidence", event["output"]["confidence"])):
            detector = adwins.get(name)
            if detector is not None:
                detector.update(value)
                if detector.drift_detected:
                    found.append((name, number))
                    del adwins[name]
    return time.perf_counter() - began, found
