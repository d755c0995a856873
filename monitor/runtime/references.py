"""What was fitted, in words: for the API, the command line and the pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monitor.core.rules.model import Book
from monitor.core.state import StateError


def described(packed: Mapping[str, bytes], book: Book, model: str) -> list[dict[str, Any]]:
    """Each rule of a version with its series. `budget` is what the rule has under the book in force, pages a week;
    None where that no longer has the rule (then a budget of one is assumed for what can be found)."""
    from monitor.core.detectors.budget.tell import fitted_rows, row_sentences
    from monitor.core.detectors.budget.watcher import OUTLIER, SHIFT
    from monitor.core.detectors.build import page_budget
    from monitor.core.references import unpack

    rules = {rule.key: rule for _, rule in book.rules_for(model)}
    found: list[dict[str, Any]] = []
    for key, body in sorted(packed.items()):
        mine = rules.get(key)
        budget = None if mine is None else page_budget(mine, rules.values(), book.options_for(model).false_pages)
        try:
            fitted = unpack(body)
        except StateError:
            found.append({"rule": key, "budget": budget, "tolerance": 0.0, "series": []})
            continue
        share = 1.0 if budget is None else budget
        series = [
            {
                "column": row["column"],
                "segment": row["segment"],
                "version": row["version"],
                "watched": row["state"] != "refused",
                "sentences": row_sentences({**row, "now": None}),
            }
            for row in fitted_rows(fitted, share * SHIFT, share * OUTLIER)
        ]
        found.append({"rule": key, "budget": budget, "tolerance": fitted.tolerance, "series": series})
    return found
