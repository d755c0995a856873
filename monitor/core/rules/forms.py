"""The body of a rule: `detect`, `share`, `count`, `measure`, `parity`, `compare`, `absent`."""

from __future__ import annotations

from collections.abc import Callable

from monitor.core.rules.detect_form import read_detect
from monitor.core.rules.model import Absent, Form, Windowed
from monitor.core.rules.nodes import MapNode, Node
from monitor.core.rules.quantities import UNITS
from monitor.core.rules.schema import Reader
from monitor.core.rules.terms import read_aggregate, read_column, read_columns, read_condition, read_models

MAX_WINDOW = 90 * UNITS["d"]
MAX_BY = 3

EXAMPLES = {
    "detect": '{shift: "inputs.*"}',
    "share": "{of: output.confidence < 0.6, above: 5%, over: 15m, min_events: 200}",
    "count": "{of: inputs.amount < 0, above: 3, over: 10m}",
    "measure": "{of: p99(context.latency_ms), above: 800, over: 10m, min_events: 100}",
    "parity": "{of: output.label == 'approve', by: [inputs.gender], below: 0.8, over: 7d, min_events: 30}",
    "compare": "{of: mean(output.score), with: previous_version, above: 10%, over: 1h, min_events: 500}",
    "absent": "{for: 10m}",
}
FORMS = tuple(EXAMPLES)
_WINDOW_KEYS = ("of", "above", "below", "clear_above", "clear_below", "over", "by", "min_events")


def read_form(kind: str, node: Node, reader: Reader) -> Form | None:
    """The body of a rule, or None after saying what is wrong with it."""
    if kind == "detect":
        return read_detect(node, reader)
    if kind == "absent":
        return _absent(node, reader)
    return _windowed(kind, node, reader)


def _absent(node: Node, reader: Reader) -> Absent | None:
    keys = ("for", "expect", "column", "by", "truth")
    fields = reader.fields(node, "`absent`", keys, ["for"], f"absent: {EXAMPLES['absent']}")
    if fields is None or "for" not in fields:
        return None
    seconds = reader.duration(fields["for"], "`for`", 1.0, MAX_WINDOW, "1s to 90d")
    expect = read_models(reader, fields["expect"], "`expect`", patterns=False) if "expect" in fields else ()
    column = read_column(reader, fields["column"], "`column`") if "column" in fields else None
    truth = bool(reader.flag(fields["truth"], "value of `truth`")) if "truth" in fields else False
    if truth and column is not None:
        reader.report.error(fields["column"], "`truth` watches the whole label feed.", "Delete `column` or `truth`.")
    by = _by(fields, reader)
    return None if seconds is None else Absent(seconds, expect, column, by, truth)


def _windowed(kind: str, node: Node, reader: Reader) -> Windowed | None:
    keys = [*_WINDOW_KEYS, *(["with"] if kind == "compare" else [])]
    required = ["of", "over", *(["by"] if kind == "parity" else []), *(["with"] if kind == "compare" else [])]
    fields = reader.fields(node, f"`{kind}`", keys, required, f"{kind}: {EXAMPLES[kind]}")
    if fields is None:
        return None
    of, relative = _expression(kind, fields, reader)
    over = reader.duration(fields["over"], "`over`", 1.0, MAX_WINDOW, "1s to 90d") if "over" in fields else None
    above, below, clear = _limits(kind, node, fields, reader, relative)
    against = None
    if "with" in fields:
        against = reader.choice(fields["with"], "value of `with`", ("previous_version", "previous_period"))
    least = reader.whole(fields["min_events"], "`min_events`", 1, 10**9) if "min_events" in fields else 1
    by = _by(fields, reader)
    if of is None or over is None or least is None or (above is None and below is None):
        return None
    return Windowed(kind, of, over, above, below, clear, by, least, against)  # type: ignore[arg-type]


def _expression(kind: str, fields: dict[str, Node], reader: Reader) -> tuple[str | None, bool]:
    """The source of `of`, and whether its limits are shares."""
    if "of" not in fields:
        return None, False
    if kind in ("measure", "compare"):
        aggregate = read_aggregate(reader, fields["of"], "`of`")
        return (None, False) if aggregate is None else (aggregate.source, aggregate.function == "share")
    return read_condition(reader, fields["of"], "`of`"), kind in ("share", "parity")


def _by(fields: dict[str, Node], reader: Reader) -> tuple[str, ...]:
    if "by" not in fields:
        return ()
    return read_columns(reader, fields["by"], "`by`", most=MAX_BY)


def _limits(
    kind: str, node: Node, fields: dict[str, Node], reader: Reader, relative: bool
) -> tuple[float | None, float | None, float | None]:
    """(above, below, clear): exactly one of the first two is given."""
    given = [key for key in ("above", "below") if key in fields]
    if len(given) != 1:
        _one_limit(kind, node, fields, reader)
        return None, None, None
    (side,) = given
    read = _quantity_of(kind, side, reader, relative)
    limit = read(fields[side], f"`{side}`")
    clear = _clear(side, limit, fields, reader, read)
    if limit is None or not _fits(kind, side, limit, fields[side], reader):
        return None, None, None
    return (limit, None, clear) if side == "above" else (None, limit, clear)


def _quantity_of(kind: str, side: str, reader: Reader, relative: bool) -> Callable[[Node, str], float | None]:
    """How a limit is read."""
    if kind == "compare":
        return (lambda node, what: _fall(reader.ratio(node, what))) if side == "below" else reader.ratio
    if kind == "parity" and side == "above":
        return reader.factor
    return reader.share if relative else reader.number


def _fall(ratio: float | None) -> float | None:
    """`below: 10%` and `below: -10%` both mean a fall by more than a tenth."""
    return None if ratio is None else -abs(ratio)


def _one_limit(kind: str, node: Node, fields: dict[str, Node], reader: Reader) -> None:
    if "above" in fields:
        reader.report.error(fields["below"], "A rule has either `above` or `below`.", "Make two rules of it.")
        return
    written = {key.text for key, _ in node.entries} if isinstance(node, MapNode) else set()
    if not written & {"above", "below"}:
        fix = f"Write it like this: {kind}: {EXAMPLES[kind]}"
        reader.report.error(node, f"`{kind}` needs a limit: `above` or `below`.", fix)


def _clear(
    side: str, limit: float | None, fields: dict[str, Node], reader: Reader, read: Callable[[Node, str], float | None]
) -> float | None:
    """The level at which the condition clears: the limit itself unless the rule says otherwise."""
    key, other = ("clear_below", "clear_above") if side == "above" else ("clear_above", "clear_below")
    if other in fields:
        reader.report.error(fields[other], f"`{other}` does not go with `{side}`.", f"Write `{key}`.")
    if key not in fields:
        return limit
    clear = read(fields[key], f"`{key}`")
    if clear is None or limit is None:
        return limit
    if (clear > limit) if side == "above" else (clear < limit):
        beyond = "above" if side == "above" else "below"
        message = f"`{key}` lies {beyond} the limit, so the rule would trip and clear at once."
        reader.report.error(fields[key], message, f"Write a level on the quiet side of {limit:g}.")
    return clear


def _fits(kind: str, side: str, limit: float, node: Node, reader: Reader) -> bool:
    """Limits that contradict what the form compares."""
    if kind == "parity" and side == "above" and limit < 1.0:
        message = "The largest rate divided by the smallest is never below 1."
        reader.report.error(node, message, "Write above: 1.25, or below: 0.8 for the smallest by the largest.")
        return False
    if kind == "count" and limit < 0.0:
        reader.report.error(node, "A count is never negative.", "Write a limit of 0 or more.")
        return False
    return True
