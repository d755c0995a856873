"""The events that the speed benchmarks use: about 600 bytes, 14 inputs of which 10 are numbers; drawn from a seed."""

from __future__ import annotations

import json
import random

WORDS = "sent from the form that everybody uses, with nothing else to say today"  # makes it 599 bytes, about
NUMBERS = tuple(f"x{i}" for i in range(10))


def lines(count: int, seed: int, shift_at: float = 0.7) -> list[bytes]:
    """`count` NDJSON lines of one model; from the share `shift_at` on, one column moves by three sigma."""
    draw = random.Random(seed)
    return [_line(i, draw, i >= count * shift_at) for i in range(count)]


def _line(number: int, draw: random.Random, shifted: bool) -> bytes:
    inputs: dict[str, object] = {name: round(draw.gauss(0.0, 1.0), 6) for name in NUMBERS}
    inputs["x3"] = round(draw.gauss(3.0 if shifted else 0.0, 1.0), 6)
    inputs |= {"channel": draw.choice(("web", "app", "branch")), "country": draw.choice(("de", "fr", "it", "es"))}
    inputs |= {
        "segment": draw.choice("abcd"),
        "text": f"order number {draw.randrange(10**9):09d} of a customer, {WORDS}",
    }
    score = min(max(draw.gauss(0.7, 0.15), 0.0), 1.0)
    event = {
        "id": f"bench-{number:012d}",
        "model": "bench",
        "version": "2026-11-01",
        "inputs": inputs,
        "output": {"score": score, "label": "approve" if score > 0.5 else "decline", "confidence": round(score, 4)},
        "context": {
            "latency_ms": draw.expovariate(1 / 80),
            "host": "model-7f9c",
            "trace": f"{draw.getrandbits(64):016x}",
        },
    }
    return json.dumps(event).encode()
