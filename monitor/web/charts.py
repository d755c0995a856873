"""Charts as plain SVG: they need no script and print well."""

from __future__ import annotations

from html import escape

import numpy as np

from monitor.core.events import Floats
from monitor.core.times import rfc3339
from monitor.web.signal import Signal

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 720, 240, 64, 28, 16
BINS = 120


def signal_chart(signal: Signal, column: str) -> str:
    """The mean of a column event by event, its range as a band, and the moment it tripped.

    Events are spaced evenly: traffic comes in bursts, and a change is easier to see without them.
    """
    if signal.values.size < 2:
        return ""
    parts = np.array_split(signal.values, min(BINS, signal.values.size))
    ends = np.cumsum([part.size for part in parts]).astype(np.float64)
    means = [float(part.mean()) for part in parts]
    lows, highs = ([float(np.quantile(part, q)) for part in parts] for q in (0.1, 0.9))
    middle = [float(end) - part.size / 2 for end, part in zip(ends, parts, strict=True)]
    scale = _Scale(0.0, float(ends[-1]), min(lows), max(highs))
    band = [*zip(middle, highs, strict=True), *zip(middle[::-1], lows[::-1], strict=True)]
    tripped = scale.x(float(signal.before.size))
    shapes = [
        scale.frame(),
        f'<polygon class="band" points="{scale.points(band)}"/>',
        f'<polyline class="line" points="{scale.points(list(zip(middle, means, strict=True)))}"/>',
        f'<line class="trip" x1="{tripped:.1f}" x2="{tripped:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>',
        _label(tripped, "tripped"),
        f'<text class="tick" x="{LEFT}" y="{HEIGHT - 8}">{rfc3339(round(float(signal.at[0])))}</text>',
        f'<text class="tick end" x="{WIDTH - 4}" y="{HEIGHT - 8}">{rfc3339(round(float(signal.at[-1])))}</text>',
    ]
    return _svg(f"Mean of {column}, event by event; the band holds the middle 80 % of values.", shapes)


def _label(x: float, text: str) -> str:
    """Beside a line, on the side where there is room."""
    end = " trip-end" if x > WIDTH - 80 else ""
    return f'<text class="trip-label{end}" x="{x + (-4 if end else 4):.1f}" y="{TOP + 12}">{text}</text>'


def histogram_chart(signal: Signal, column: str) -> str:
    """How the values were spread before the moment, against now."""
    if signal.before.size < 2 or signal.after.size < 2:
        return ""
    both = np.concatenate([signal.before, signal.after])
    low, high = np.quantile(both, [0.005, 0.995])
    edges = np.linspace(low, high if high > low else low + 1.0, 41)
    before, after = _shares(signal.before, edges), _shares(signal.after, edges)
    scale = _Scale(float(edges[0]), float(edges[-1]), 0.0, float(max(before.max(), after.max(), 1e-9)))
    parts = [scale.frame(), _bars(scale, edges, before, "before"), _bars(scale, edges, after, "after")]
    parts.append(f'<text class="tick" x="{LEFT}" y="{HEIGHT - 8}">{edges[0]:.4g}</text>')
    parts.append(f'<text class="tick end" x="{WIDTH - 4}" y="{HEIGHT - 8}">{edges[-1]:.4g}</text>')
    return _svg(f"Spread of {column}: before (outlined) against since (filled).", parts)


def _shares(values: Floats, edges: Floats) -> Floats:
    counts, _ = np.histogram(np.clip(values, edges[0], edges[-1]), edges)
    shares: Floats = counts / max(1, values.size)
    return shares


def _bars(scale: _Scale, edges: Floats, heights: Floats, name: str) -> str:
    floor = scale.y(0.0)
    bars = []
    for left, right, height in zip(edges[:-1], edges[1:], heights, strict=True):
        x, y = scale.x(float(left)), scale.y(float(height))
        bars.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{scale.x(float(right)) - x:.1f}" height="{floor - y:.1f}"/>')
    return f'<g class="{name}">{"".join(bars)}</g>'


class _Scale:
    """From values to pixels."""

    def __init__(self, x0: float, x1: float, y0: float, y1: float) -> None:
        pad = (y1 - y0) * 0.06 or abs(y1) * 0.1 or 1.0
        self.x0, self.x1 = x0, x1 if x1 > x0 else x0 + 1.0
        self.y0, self.y1 = (y0 if y0 == 0.0 else y0 - pad), y1 + pad

    def x(self, value: float) -> float:
        return LEFT + (value - self.x0) / (self.x1 - self.x0) * (WIDTH - LEFT - 4)

    def y(self, value: float) -> float:
        return HEIGHT - BOTTOM - (value - self.y0) / (self.y1 - self.y0) * (HEIGHT - BOTTOM - TOP)

    def points(self, pairs: list[tuple[float, float]]) -> str:
        return " ".join(f"{self.x(float(x)):.1f},{self.y(float(y)):.1f}" for x, y in pairs)

    def frame(self) -> str:
        lines = []
        for value in np.linspace(self.y0, self.y1, 5)[:-1]:
            y = self.y(float(value))
            lines.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - 4}" y1="{y:.1f}" y2="{y:.1f}"/>')
            lines.append(f'<text class="tick end" x="{LEFT - 6}" y="{y + 4:.1f}">{value:.4g}</text>')
        return "".join(lines)


def _svg(title: str, parts: list[str]) -> str:
    head = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title, quote=True)}">'
    return f"<figure>{head}{''.join(parts)}</svg><figcaption>{escape(title)}</figcaption></figure>"
