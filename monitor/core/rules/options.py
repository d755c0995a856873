"""What every rule may say beside its name and its body."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

from monitor.core.rules.model import Detect, Form
from monitor.core.rules.nodes import MapNode, Node, TextNode
from monitor.core.rules.quantities import UNITS
from monitor.core.rules.schema import Reader
from monitor.core.rules.snippets import fill_text

ANNOTATIONS = ("summary", "meaning", "action", "runbook_url")
MAX_TEXT = 2000
L = TypeVar("L", bound=str)
D = TypeVar("D", bound=str | None)

_LABEL = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_ROLLING = re.compile(r"rolling\s+(\S+)")


class Options:
    """What every rule may say beside its body."""

    def __init__(self, fields: Mapping[str, Node], reader: Reader) -> None:
        self.fields = fields
        self.reader = reader

    def choice(self, key: str, options: tuple[L, ...], default: D) -> L | D:
        """One of some words; the default where the rule says nothing, or nothing sensible."""
        if key not in self.fields:
            return default
        chosen = self.reader.choice(self.fields[key], f"value of `{key}`", options)
        return default if chosen is None else chosen

    def duration(self, key: str) -> float:
        if key not in self.fields:
            return 0.0
        return self.reader.duration(self.fields[key], f"`{key}`", 0.0, 30 * UNITS["d"], "0 to 30d") or 0.0

    def labels(self) -> dict[str, str]:
        node = self.fields.get("labels")
        if node is None:
            return {}
        if not isinstance(node, MapNode):
            self.reader.report.error(node, "`labels` must be a mapping of names to texts.", "labels: {team: risk}")
            return {}
        labels: dict[str, str] = {}
        for key, value in node.entries:
            text = self.reader.text(value, f"The label `{key.text}`")
            if not _LABEL.fullmatch(key.text):
                fix = "Use letters, digits and underscores."
                self.reader.report.error(key, f"`{key.text}` cannot be the name of a label.", fix)
            elif text is not None:
                labels[key.text] = text
        return labels

    def annotations(self) -> dict[str, str]:
        node = self.fields.get("annotations")
        if node is None:
            return {}
        example = 'annotations: {summary: "…", meaning: "…", action: "…"}'
        fields = self.reader.fields(node, "`annotations`", ANNOTATIONS, (), example) or {}
        texts: dict[str, str] = {}
        for name, value in fields.items():
            text = self.reader.text(value, f"`{name}`", MAX_TEXT)
            if text is not None and name == "runbook_url" and not re.match(r"https?://[^\s]+$", text):
                fix = "Write the whole address: https://wiki.example.org/runbook."
                self.reader.report.error(value, f"`{text[:60]}` is no address of a page.", fix)
            elif text is not None:
                texts[name] = fill_text(text, self.reader.params)
        return texts

    def reference(self, form: Form | None) -> float | None:
        """Seconds of a rolling reference; None is a frozen one."""
        node = self.fields.get("reference")
        if node is None or form is None:
            return None
        if not isinstance(form, Detect) or form.kind == "quality":
            message = "Only rules that learn what is normal have a reference."
            self.reader.report.error(node, message, "Delete the line.")
            return None
        text = self.reader.text(node, "`reference`")
        rolling = _ROLLING.fullmatch(text or "")
        if text is None or text == "frozen":
            return None
        if rolling is None or not isinstance(node, TextNode):
            self.reader.report.error(node, f"`{text}` is no reference.", "Write frozen, or rolling 28d.")
            return None
        if form.kind != "shift" or form.method is not None or not form.budget:
            message = "Only a `shift` on the page budget that names no detector has a reference that rolls."
            self.reader.report.error(node, message, "Write frozen, or delete the line.")
            return None
        shift = 0 if node.style else rolling.start(1)  # only of plain text is it known where a word stands
        place = replace(node.position, column=node.position.column + shift)
        span = TextNode(rolling[1], place, node.style, len(rolling[1]))
        week = 7 * UNITS["d"]
        return self.reader.duration(span, "The time a reference rolls over", week, 90 * UNITS["d"], "7d to 90d")
