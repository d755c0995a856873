"""One incident as text: what happened, what it means, what to do, and what is behind it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monitor.cli.table import paragraph, plain, terminal_width, visible

_FACTS = (
    ("id", "id"),
    ("state", "state"),
    ("severity", "severity"),
    ("stage", "stage"),
    ("model", "model"),
    ("version", "version"),
    ("opened", "opened_at"),
    ("owner", "owner"),
    ("acknowledged by", "acknowledged_by"),
    ("until", "acknowledged_until"),
    ("verdict", "verdict"),
    ("revision", "revision"),
)
_INDENT = 17
_PIECES = 10  # of evidence that are shown


def in_hand(found: Mapping[str, Any]) -> str | None:
    """The owner, and who has it in hand if that is another."""
    owner, held = found["owner"], found["acknowledged_by"]
    return f"{owner} ({held} has it)" if owner and held and held != owner else owner


def marked(found: Mapping[str, Any]) -> str:
    """The state, and why nobody was called where that is so by its kind: `open, shadow, historical`."""
    marks = ["shadow"] if found["stage"] == "shadow" else []
    return ", ".join([found["state"], *marks, *(["historical"] if found["historical"] else [])])


def lines(found: dict[str, Any]) -> list[str]:
    """The lines, without any control character; they fit the terminal if there is one."""
    width = terminal_width()
    shown = [*paragraph("", visible(found["summary"]), 0, width), ""]
    for label, name in _FACTS:
        if name not in ("owner", "acknowledged_by", "acknowledged_until", "verdict") or found.get(name) is not None:
            shown += paragraph(label, _fact(found, name), _INDENT, width)
    shown += paragraph("rule", f"{found['pack']}/{found['rule']}", _INDENT, width)
    if found.get("historical"):
        shown += paragraph("historical", "yes: it is about old events, and nobody was paged", _INDENT, width)
    shown.append("")
    shown += paragraph("what it means", visible(found["meaning"]), _INDENT, width)
    shown += paragraph("what to do", visible(found["action"]), _INDENT, width)
    if found.get("runbook_url"):
        shown += paragraph("runbook", visible(found["runbook_url"]), _INDENT, width)
    for label, texts in (("evidence", _evidence(found)), ("notes", _notes(found)), ("messages", _messages(found))):
        shown += [""] * bool(texts)
        for n, text in enumerate(texts):
            shown += paragraph(label if n == 0 else "", visible(text), _INDENT, width)
    return shown


def _fact(found: dict[str, Any], name: str) -> str:
    value = found.get(name)
    return _time(value) if name.endswith(("_at", "_until")) and value is not None else plain(value)


def _evidence(found: dict[str, Any]) -> list[str]:
    """The newest pieces, each once: a condition that goes on is seen again and again."""
    said = list(dict.fromkeys(f"{_time(e['at'])}  {e.get('detail') or _measured(e)}" for e in found["evidence"]))
    earlier = len(said) - _PIECES
    return said if earlier <= 0 else [f"{earlier} earlier pieces; -o json shows them", *said[earlier:]]


def _measured(e: dict[str, Any]) -> str:
    from monitor.core.incidents.words import amount_text, standard_text  # brings numpy: `incident list` needs none

    where = f" where {e['segment']}" if e["segment"] else ""
    what = e["statistic"]
    standard = "" if e["expected"] is None else f", {standard_text(what, '')} {amount_text(what, e['expected'])}"
    return f"{what}{where} is {amount_text(what, e['value'])}{standard} (n = {e['n']})"


def _notes(found: dict[str, Any]) -> list[str]:
    return [f"{_time(n['at'])}  {n['author']}: {n['text']}" for n in found.get("notes", [])]


def _messages(found: dict[str, Any]) -> list[str]:
    return [f"{_time(n['at'])}  {n['target']}: {n['reason']}, {n['state']}" for n in found["notices"]]


def _time(text: str) -> str:
    """`2026-10-01 12:00:05 UTC` of an RFC 3339 time."""
    return f"{text[:10]} {text[11:19]} UTC"
