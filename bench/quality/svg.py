"""One kind of picture: for each line a few marks with their limits, on a logarithmic axis. Plain SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

COLOURS = ("#0b6e4f", "#c44536", "#3d5a80", "#e09f3e", "#7b2d8b", "#6c757d", "#1b998b", "#8d5524")
LEFT, RIGHT, TOP, STEP, WIDTH = 190, 20, 64, 20, 760


@dataclass(frozen=True, slots=True)
class Mark:
    """A value with limits; values below the axis stand at its left end as an open circle."""

    value: float
    low: float
    high: float


def dots(
    title: str, unit: str, lines: Sequence[str], series: Sequence[tuple[str, Sequence[Mark | None]]],
    span: tuple[float, float], ruler: float | None = None,
) -> str:  # fmt: skip
    """The text of an SVG file. `series`: a name and a mark for each line, or None. `ruler` is a vertical line."""
    height = TOP + STEP * len(lines) + 40
    body = [f'<text x="10" y="22" font-size="15" font-weight="600">{escape(title)}</text>']
    body += _axis(span, unit, height)
    if ruler is not None:
        x = _place(ruler, span)
        body.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 8}" y2="{height - 34}" stroke="#222" stroke-dasharray="4 3"/>'
        )
    for i, line in enumerate(lines):
        y = TOP + STEP * i + STEP / 2
        body.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{escape(line)}</text>')
        for k, (_, marks) in enumerate(series):
            mark = marks[i]
            if mark is not None and math.isfinite(mark.value):
                body += _mark(
                    mark, span, y + (k - (len(series) - 1) / 2) * min(3.2, 18 / len(series)), COLOURS[k % len(COLOURS)]
                )
    body += _legend([name for name, _ in series])
    box = f'viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="12"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {box}>',
            f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
            *body,
            "</svg>",
            "",
        ]
    )


def _place(value: float, span: tuple[float, float]) -> float:
    low, high = (math.log(edge) for edge in span)
    share = (math.log(min(max(value, span[0]), span[1])) - low) / (high - low)
    return LEFT + share * (WIDTH - LEFT - RIGHT)


def _axis(span: tuple[float, float], unit: str, height: int) -> list[str]:
    made = []
    for power in range(math.ceil(math.log10(span[0])), math.floor(math.log10(span[1])) + 1):
        x = _place(10.0**power, span)
        made.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 4}" y2="{height - 34}" stroke="#ddd"/>')
        made.append(f'<text x="{x:.1f}" y="{height - 20}" text-anchor="middle" fill="#555">{10.0**power:g}</text>')
    made.append(
        f'<text x="{(LEFT + WIDTH) / 2:.0f}" y="{height - 5}" text-anchor="middle" fill="#555">{escape(unit)}</text>'
    )
    return made


def _mark(mark: Mark, span: tuple[float, float], y: float, colour: str) -> list[str]:
    low, high, x = (_place(max(v, 1e-300), span) for v in (mark.low, mark.high, mark.value))
    fill = colour if mark.value >= span[0] else "#fff"
    return [
        f'<line x1="{low:.1f}" x2="{high:.1f}" y1="{y:.1f}" y2="{y:.1f}" stroke="{colour}" stroke-opacity="0.5"/>',
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{fill}" stroke="{colour}"/>',
    ]


def _legend(names: Sequence[str]) -> list[str]:
    made, x = [], 14.0
    for k, name in enumerate(names):
        made.append(f'<circle cx="{x:.0f}" cy="41" r="4" fill="{COLOURS[k % len(COLOURS)]}"/>')
        made.append(f'<text x="{x + 9:.0f}" y="45">{escape(name)}</text>')
        x += 26 + 6.6 * len(name)
    return made
