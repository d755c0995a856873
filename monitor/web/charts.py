"""Charts as plain SVG: they need no script, follow the colours of the page, and print well."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape
from typing import Final

import numpy as np

from monitor.core.events import Floats
from monitor.core.incidents.words import number_text
from monitor.core.times import rfc3339
from monitor.web.render import shown
from monitor.web.signal import Signal

WIDTH, HEIGHT, BOTTOM, TOP = 480, 210, 26, 28
POINTS: Final = 100  # of a line,
FEWEST: Final = 20  # and events behind each point of a share
BARS: Final = 40  # of a histogram
ROW: Final = 68  # pixels of one group
_HUGE: Final = 1e300  # beyond it differences overflow
Write = Callable[[float], str]
Level = tuple[str, float]  # what a line across is, and where it lies


def line_chart(signal: Signal, title: str, level: Level | None = None, share: bool = False) -> str:
    """The mean event by event, with a band that holds the middle 80 % of the values, and the moment it tripped.

    Events are spaced evenly: traffic comes in bursts, and a change is easier to see without them. `share`: values are
    1 and 0, and their mean is a share. `level` is drawn as a line. Empty where there is too little to draw.
    """
    sides = [np.clip(side.values, -_HUGE, _HUGE) for side in (signal.before, signal.after)]
    total = sum(side.size for side in sides)
    if total < 2:
        return ""
    points = min(POINTS, max(2, total // FEWEST)) if share else POINTS
    parts = np.hstack([_bins(side, points * side.size // total) for side in sides])
    x = np.cumsum(parts[0]) - parts[0] / 2
    means, lows, highs = parts[1:]
    reach = [*(means if share else (*lows, *highs)), *([] if level is None else [level[1]]), *([0.0] if share else [])]
    scale = _Scale(total, min(reach), max(reach), _percent if share else number_text)
    tripped = scale.x(sides[0].size)
    at = np.concatenate([signal.before.at, signal.after.at])
    shapes = [
        scale.grid(),
        "" if share else f'<path class="band" d="{scale.path([*x, *x[::-1]], [*highs, *lows[::-1]])}Z"/>',
        "" if level is None else scale.across(level[1]),
        f'<path class="line" d="{scale.path(x, means)}"/>',
        f'<path class="trip" d="M{tripped:.0f} {TOP - 12}V{HEIGHT - BOTTOM}"/>',
        scale.numbers(),
        "" if level is None else scale.name(*level),
        _beside(tripped, TOP - 14, _tripped(signal), "trip-label"),
        _below(*_span(float(at[0]), float(at[-1]))),
    ]
    return _svg(title, shapes)


def spread_chart(signal: Signal, title: str) -> str:
    """How the values were spread before the moment, against since."""
    before, after = (np.clip(side.values, -_HUGE, _HUGE) for side in (signal.before, signal.after))
    if before.size < 2 or after.size < 2:
        return ""
    low, high = np.quantile(np.concatenate([before, after]), [0.005, 0.995])
    edges = np.linspace(low, high if high > low else low + (abs(low) or 1.0), BARS + 1)
    heights = [np.histogram(np.clip(v, edges[0], edges[-1]), edges)[0] / v.size for v in (before, after)]
    scale = _Scale(BARS, 0.0, float(max(h.max() for h in heights)), _percent)
    shapes = [scale.grid(), *(_outline(scale, h, n) for h, n in zip(heights, ("before", "after"), strict=True))]
    return _svg(title, [*shapes, scale.numbers(), _below(number_text(float(edges[0])), number_text(float(edges[-1])))])


def groups_chart(signal: Signal, title: str) -> str:
    """A pair of bars for each group: its share before, and since."""
    known = [share for _, *shares in signal.groups for share in shares if share is not None]
    if not known:
        return ""
    longest = max(*known, 1e-9)
    rows = []
    for row, (name, *shares) in enumerate(signal.groups):
        top = row * ROW
        rows.append(f'<text class="group" x="4" y="{top + 17}">{_safe(name)}</text>')
        for place, (share, kind) in enumerate(zip(shares, ("before", "after"), strict=True)):
            y, length = top + 25 + place * 20, 0.0 if share is None else share / longest * (WIDTH - 80)
            rows.append(f'<path class="{kind}" d="M4 {y}h{length:.0f}v14H4Z"/>')
            said = "none" if share is None else _percent(share)
            rows.append(f'<text class="tick" x="{length + 10:.0f}" y="{y + 12}">{said}</text>')
    return _svg(title, rows, height=len(signal.groups) * ROW + 4)


def _bins(values: Floats, count: int) -> Floats:
    """Rows of sizes, means, and tenth and ninetieth percentiles, of about `count` parts in order."""
    if not values.size:
        return np.empty((4, 0))
    size = -(-values.size // max(1, count))
    whole = values[: values.size - values.size % size].reshape(-1, size)
    found = [_bin(whole)] if whole.size else []
    rest = values[whole.size :].reshape(1, -1)
    return np.hstack([*found, *([_bin(rest)] if rest.size else [])])


def _bin(parts: Floats) -> Floats:
    n = parts.shape[1]
    ordered = np.sort(parts, axis=1)
    low, high = ordered[:, (n - 1) // 10], ordered[:, n - 1 - (n - 1) // 10]
    return np.vstack([np.full(len(parts), n), (parts / n).sum(axis=1), low, high])


def _outline(scale: _Scale, heights: Floats, kind: str) -> str:
    """A histogram as one path."""
    steps = "".join(f"V{scale.y(float(h)):.0f}H{scale.x(i + 1):.0f}" for i, h in enumerate(heights))
    return f'<path class="{kind}" d="M{scale.x(0):.0f} {scale.y(0.0):.0f}{steps}V{scale.y(0.0):.0f}Z"/>'


def _tripped(signal: Signal) -> str:
    """When, by the clock of the events themselves, as the times below have it."""
    if not signal.after.at.size:
        return "tripped here"
    return f"tripped at {_span(float(signal.after.at[0]), float(signal.after.at[0]))[0]}"


class _Scale:
    """From values to pixels. Gridlines carry their numbers inside: there is no room beside them on a phone."""

    def __init__(self, columns: float, y0: float, y1: float, write: Write) -> None:
        pad = (y1 - y0) * 0.06 or abs(y1) * 0.1 or 1.0
        self.columns, self.write = columns, write
        self.y0, self.y1 = (y0 if y0 == 0.0 else y0 - pad), y1 + pad

    def x(self, place: float) -> float:
        return place / self.columns * WIDTH

    def y(self, value: float) -> float:
        return HEIGHT - BOTTOM - (value - self.y0) / (self.y1 - self.y0) * (HEIGHT - BOTTOM - TOP)

    def path(self, x: Sequence[float] | Floats, y: Sequence[float] | Floats) -> str:
        return "M" + "L".join(f"{self.x(a):.0f} {self.y(b):.0f}" for a, b in zip(x, y, strict=True))

    def grid(self) -> str:
        return "".join(f'<path class="grid" d="M0 {self.y(value):.0f}H{WIDTH}"/>' for value in self._ticks())

    def numbers(self) -> str:
        """Of the grid; drawn after the lines, which would strike them out."""
        texts = [(self.y(value) - 4, self.write(value)) for value in self._ticks()]
        return "".join(f'<text class="tick" x="4" y="{y:.0f}">{text}</text>' for y, text in texts)

    def across(self, value: float) -> str:
        return f'<path class="limit" d="M0 {self.y(value):.0f}H{WIDTH}"/>'

    def name(self, name: str, value: float) -> str:
        """Of a line across, above it at its right end."""
        y = self.y(value) - 4
        return f'<text class="limit-label end" x="{WIDTH - 4}" y="{y:.0f}">{name} {self.write(value)}</text>'

    def _ticks(self) -> list[float]:
        """Three to six round numbers."""
        rough = (self.y1 - self.y0) / 4
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
        first = math.ceil(self.y0 / step)
        return [k * step for k in range(first, first + 6) if k * step <= self.y1 - 0.02 * (self.y1 - self.y0)]


def _beside(x: float, y: float, text: str, kind: str) -> str:
    """Text beside a line, on the side where there is room."""
    left = x > WIDTH - 240
    return f'<text class="{kind}{" end" if left else ""}" x="{x + (-6 if left else 6):.0f}" y="{y + 4}">{text}</text>'


def _below(left: str, right: str) -> str:
    y = HEIGHT - 8
    return (
        f'<text class="tick" x="4" y="{y}">{left}</text><text class="tick end" x="{WIDTH - 4}" y="{y}">{right}</text>'
    )


def _span(first: float, last: float) -> tuple[str, str]:
    """Two times as the texts of the page have them, without the day where it is the same."""
    texts = rfc3339(round(first)), rfc3339(round(last))
    whole = texts[0][:10] != texts[1][:10]
    shown = [f"{text[:10]} {text[11:19]} UTC" if whole else f"{text[11:19]} UTC" for text in texts]
    return shown[0], shown[1]


def _percent(share: float) -> str:
    return f"{share * 100:.3g}%"


def _safe(text: str) -> str:
    return escape(shown(text), quote=True)


def _svg(title: str, parts: Sequence[str], height: int = HEIGHT) -> str:
    head = f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{_safe(title)}">'
    return f"<figure><figcaption>{_safe(title)}</figcaption>{head}{''.join(parts)}</svg></figure>"
