"""A curve on two logarithmic axes as SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

WIDTH, HEIGHT, LEFT, TOP, EDGE = 420, 260, 70, 40, 40


def curve(title: str, across: str, unit: str, sizes: Sequence[float], values: Sequence[float]) -> str:
    """The text of an SVG file: a mark for each size, joined."""
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)) + 1e-9)
    spans = (math.log10(sizes[0]), math.log10(sizes[-1])), (float(low), float(max(high, low + 1)))

    def x(size: float) -> float:
        return LEFT + (math.log10(size) - spans[0][0]) / (spans[0][1] - spans[0][0]) * (WIDTH - LEFT - EDGE)

    def y(value: float) -> float:
        return TOP + (spans[1][1] - math.log10(value)) / (spans[1][1] - spans[1][0]) * (HEIGHT - TOP - EDGE)

    body = [f'<text x="10" y="22" font-size="14" font-weight="600">{escape(title)}</text>']
    for power in range(low, int(spans[1][1]) + 1):
        at = y(10.0**power)
        body.append(f'<line x1="{LEFT}" x2="{WIDTH - EDGE}" y1="{at:.1f}" y2="{at:.1f}" stroke="#ddd"/>')
        body.append(f'<text x="{LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{10.0**power:g}</text>')
    for size in sizes:
        body.append(f'<text x="{x(size):.1f}" y="{HEIGHT - EDGE + 16}" text-anchor="middle">{size:,}</text>')
    points = " ".join(f"{x(size):.1f},{y(value):.1f}" for size, value in zip(sizes, values, strict=True))
    body.append(f'<polyline points="{points}" fill="none" stroke="#0b6e4f" stroke-width="2"/>')
    for size, value in zip(sizes, values, strict=True):
        body.append(f'<circle cx="{x(size):.1f}" cy="{y(value):.1f}" r="3" fill="#0b6e4f"/>')
    body.append(f'<text x="{WIDTH / 2}" y="{HEIGHT - 8}" text-anchor="middle">{escape(across)} · {escape(unit)}</text>')
    style = 'font-family="sans-serif" font-size="11" fill="#222"'
    back = f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" {style}>'
    return f"{head}{back}{''.join(body)}</svg>\n"
