"""`halt:` and `gate:` of a pack: the safe state, and on what terms its models are gated."""

from __future__ import annotations

from dataclasses import replace

from monitor.core.rules.model import OnStale, OnStart, PackTerms, ReviewMode
from monitor.core.rules.nodes import Node
from monitor.core.rules.options import Options
from monitor.core.rules.quantities import UNITS
from monitor.core.rules.schema import Reader

_HALT = ("fallback", "release", "hold")
_GATE = ("on_stale", "on_start", "review", "deadline", "sample")
_ON_STALE: tuple[OnStale, ...] = ("keep", "review", "auto")
_ON_START: tuple[OnStart, ...] = ("last", "review", "halt")
_REVIEW: tuple[ReviewMode, ...] = ("pre", "post")


def read_gating(reader: Reader, halt: Node | None, gate: Node | None) -> tuple[str | None, PackTerms]:
    """The safe state behind a halt, if it is named, and the terms."""
    fallback, terms = (None, PackTerms()) if halt is None else _halt(reader, halt)
    return fallback, terms if gate is None else _gate(reader, gate, terms)


def _halt(reader: Reader, node: Node) -> tuple[str | None, PackTerms]:
    example = 'halt: {fallback: "rule baseline and step-up authentication"}'
    fields = reader.fields(node, "`halt`", _HALT, ("fallback",), example)
    if not fields or "fallback" not in fields:
        return None, PackTerms()
    return reader.text(fields["fallback"], "`fallback`", 500), PackTerms(
        release=reader.whole(fields["release"], "`release`", 1, 2) if "release" in fields else None,
        hold=reader.duration(fields["hold"], "`hold`", 0.0, UNITS["d"], "0 to 1d") if "hold" in fields else None,
    )


def _gate(reader: Reader, node: Node, terms: PackTerms) -> PackTerms:
    fields = reader.fields(node, "`gate`", _GATE, (), "gate: {on_stale: review, review: pre, deadline: 60s}")
    if fields is None:
        return terms
    options = Options(fields, reader)
    deadline, sample = fields.get("deadline"), fields.get("sample")
    return replace(
        terms,
        on_stale=options.choice("on_stale", _ON_STALE, None),
        on_start=options.choice("on_start", _ON_START, None),
        review=options.choice("review", _REVIEW, None),
        deadline=None if deadline is None else reader.duration(deadline, "`deadline`", 1.0, UNITS["h"], "1s to 1h"),
        sample=None if sample is None else reader.share(sample, "`sample`"),
    )
