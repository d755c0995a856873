"""A backtest as one picture: a line for each rule and model, when it would have fired, and what people said. SVG."""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape

from monitor.core.backtest import Firing
from monitor.core.verdicts import Judged
from monitor.runtime.backtest_report import Report, Row

LEFT, RIGHT, TOP, STEP, WIDTH = 260, 120, 78, 34, 1000
LEAST = 3.0  # pixels of what is short
COLOURS = {"fired": "#1d3557", "real": "#2a9d5c", "missed": "#d00000", "false": "#8d99ae"}
TICKS = 6


def picture(told: Report) -> str:
    """The text of an SVG file. Above each line what would have fired, below it incidents that people judged: real ones
    that are found in green, missed ones in red, false ones in grey (hollow where they would be gone)."""
    height = TOP + STEP * max(len(told.rows), 1) + 46
    span = (told.done.since, max(told.done.at, told.done.since + 1.0))
    body = [
        '<text x="10" y="24" font-size="16" font-weight="600">What these rules would have done</text>',
        f'<text x="10" y="42" fill="#555">{escape(_caption(told))}</text>',
        *_legend(),
        *_axis(span, height),
    ]
    for i, row in enumerate(told.rows):
        body += _row(row, TOP + STEP * i, span)
    box = f'viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="12" role="img"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {box}>\n<title>{escape(_caption(told))}</title>'
    return "\n".join([head, f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>', *body, "</svg>", ""])


def _caption(told: Report) -> str:
    fired = sum(len(row.standing.firings) for row in told.rows)
    return f"{told.done.events:,} events, {_time(told.done.since)} to {_time(told.done.at)} UTC: {fired:,} firings"


def _row(row: Row, y: float, span: tuple[float, float]) -> list[str]:
    s, middle = row.standing, y + STEP / 2
    said = [
        f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{middle}" y2="{middle}" stroke="#ddd"/>',
        f'<text x="{LEFT - 8}" y="{middle - 1}" text-anchor="end">{escape(_short(s.rule))}</text>',
        f'<text x="{LEFT - 8}" y="{middle + 12}" text-anchor="end" fill="#777">{escape(_short(s.model))}</text>',
        f'<text x="{WIDTH - RIGHT + 8}" y="{middle + 4}">{escape(_count(row))}</text>',
    ]
    said += [_fired(f, middle - 11, span) for f in s.firings]
    groups = ((s.matched, "real", True), (s.missed, "missed", True), (s.still, "false", True), (s.gone, "false", False))
    said += [_bar(i, middle + 3, span, colour, full) for found, colour, full in groups for i in found]
    return said


def _fired(f: Firing, y: float, span: tuple[float, float]) -> str:
    start, size = _stretch(f.at, f.until, span)
    what = escape(f"{f.rule} {_time(f.at)}: {f.summary}")
    shape = f'x="{start:.1f}" y="{y:.1f}" width="{size:.1f}" height="9" fill="{COLOURS["fired"]}"'
    return f"<rect {shape}><title>{what}</title></rect>"


def _bar(i: Judged, y: float, span: tuple[float, float], colour: str, full: bool) -> str:
    start, size = _stretch(i.at, i.until, span)
    fill = COLOURS[colour] if full else "none"
    shape = f'x="{start:.1f}" y="{y:.1f}" width="{size:.1f}" height="7" fill="{fill}" stroke="{COLOURS[colour]}"'
    return f"<rect {shape}><title>{escape(f'{i.verdict} {_time(i.at)}: {i.summary}')}</title></rect>"


def _stretch(at: float, until: float | None, span: tuple[float, float]) -> tuple[float, float]:
    start, end = _place(at, span), _place(span[1] if until is None else until, span)
    return start, max(end - start, LEAST)


def _place(at: float, span: tuple[float, float]) -> float:
    share = (min(max(at, span[0]), span[1]) - span[0]) / (span[1] - span[0])
    return LEFT + share * (WIDTH - LEFT - RIGHT)


def _axis(span: tuple[float, float], height: float) -> list[str]:
    said = []
    for k in range(TICKS):
        at = span[0] + (span[1] - span[0]) * k / (TICKS - 1)
        x = _place(at, span)
        said.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 6}" y2="{height - 34}" stroke="#eee"/>')
        said.append(f'<text x="{x:.1f}" y="{height - 16}" text-anchor="middle" fill="#555">{_time(at)}</text>')
    return said


def _legend() -> list[str]:
    said, x = [], LEFT
    for name, colour, full in (
        ("would have fired", "fired", True),
        ("real, found", "real", True),
        ("real, missed", "missed", True),
        ("false, again", "false", True),
        ("false, gone", "false", False),
    ):
        fill = COLOURS[colour] if full else "none"
        said.append(f'<rect x="{x}" y="52" width="12" height="8" fill="{fill}" stroke="{COLOURS[colour]}"/>')
        said.append(f'<text x="{x + 17}" y="60">{name}</text>')
        x += 34 + 7 * len(name)
    return said


def _count(row: Row) -> str:
    if row.standing.firings:
        return f"{len(row.standing.firings)} ×"
    return "–" if row.near is None else f"nearest {row.near.ratio:.0%}"


def _short(name: str) -> str:
    return name if len(name) <= 38 else name[:37] + "…"


def _time(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M}"
