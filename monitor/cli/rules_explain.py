"""What `overloop rules explain` says of a rule: what it watches, and how it stands on a model."""

from __future__ import annotations

from typing import Any

from monitor.cli.rules_standing import sentences, series
from monitor.cli.table import paragraph, terminal_width
from monitor.core.detectors.build import budgeted
from monitor.core.rules.defaults import texts_of
from monitor.core.rules.footprint import footprint
from monitor.core.rules.model import Detect, Rule
from monitor.core.rules.wording import sentence

_INDENT = 11
Standing = dict[str, Any] | None  # what each rule of a model remembers, by rule key; None where none was asked for


def explained(rule: Rule) -> dict[str, Any]:
    """A rule, for programs."""
    texts = texts_of(rule)
    return {
        "rule": rule.key,
        "severity": rule.severity,
        "stage": rule.stage,
        "file": rule.position.file,
        "line": rule.position.line,
        "trips": sentence(rule),
        "summary": texts.summary,
        "meaning": texts.meaning,
        "action": texts.action,
        "closes_by": rule.resolve,
        "gate": rule.gate,
        "memory_bytes": footprint(rule).total,
    }


def stands(rule: Rule, standing: Standing) -> dict[str, Any]:
    """How it stands, for programs: as the rule itself describes it."""
    return {} if standing is None else {"standing": standing.get(rule.key)}


def lines(rule: Rule, model: str | None, standing: Standing) -> list[str]:
    """The same for people."""
    texts, width = texts_of(rule), terminal_width()
    told = [f"{rule.key} ({rule.severity}, {rule.position.file} line {rule.position.line})"]
    told += paragraph("  watches", sentence(rule), _INDENT, width)
    told += paragraph("  says", texts.summary, _INDENT, width)
    if "meaning" in texts.own:  # else it is the sentence above and the general words of its form
        told += paragraph("  meaning", texts.meaning, _INDENT, width)
    else:
        told += paragraph("  meaning", texts.meaning.removesuffix(sentence(rule)).rstrip(), _INDENT, width)
    told += paragraph("  action", texts.action, _INDENT, width)
    told += paragraph("  then", " ".join(_then(rule)), _INDENT, width)
    told += paragraph("  memory", f"{footprint(rule)}.", _INDENT, width)
    if standing is not None:
        told += paragraph("  stands", " ".join(_stand(rule, model or "", standing)), _INDENT, width)
        for one in series(standing.get(rule.key) or {}):
            told += paragraph("  series", one, _INDENT, width)
    return told


def _then(rule: Rule) -> list[str]:
    said = []
    if rule.stage == "shadow":
        said.append("It is in shadow: its incidents are recorded, and nobody is told.")
    if rule.gate is not None:
        said.append(f"It sets the gate of the model to {rule.gate}.")
    if not rule.latches:
        said.append("Its incident clears by itself when this no longer holds.")
    elif isinstance(rule.form, Detect) and budgeted(rule.form):
        said.append(
            "A person must close its incident. What has reported is quiet for a day; after that only further "
            "change is added to the incident."
        )
    else:
        said.append("A person must close its incident; until then it does not report again.")
    return said


def _stand(rule: Rule, model: str, standing: dict[str, Any]) -> list[str]:
    about = standing.get(rule.key)
    return [f"No event of {model} has come yet."] if about is None else sentences(about, model)
