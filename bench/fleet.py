"""Events of many models at once: `columns` numeric inputs each, drawn from a seed."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator

POST = 1000  # events in a post


def bodies(models: int, columns: int, events: int, seed: int, post: int = POST) -> Iterator[bytes]:
    """Posts of NDJSON, `events` in all; the models take turns event by event."""
    draw = random.Random(seed)
    for start in range(0, events, post):
        yield b"\n".join(_line(i, i % models, columns, draw) for i in range(start, min(start + post, events)))


def _line(number: int, model: int, columns: int, draw: random.Random) -> bytes:
    inputs = {f"x{i}": round(draw.gauss(0.0, 1.0), 4) for i in range(columns)}
    score = min(max(draw.gauss(0.7, 0.15), 0.0), 1.0)
    event = {
        "id": f"fleet-{number:012d}",
        "model": f"fleet-{model:05d}",
        "version": "2026-11-01",
        "inputs": inputs,
        "output": {"score": round(score, 4), "label": "approve" if score > 0.5 else "decline"},
        "context": {"latency_ms": round(draw.expovariate(1 / 80), 3)},
    }
    return json.dumps(event).encode()
