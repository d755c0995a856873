"""Which saved states a watcher may go on from."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from monitor.core.rules.model import Detect, Rule
from monitor.core.state import StateError


def form_of(rule: Rule, detect: Detect) -> str:
    """What a saved state must have been made with to be continued."""
    parameters = {name: repr(value) for name, value in detect.parameters.items()}
    parts = (detect.kind, detect.columns, detect.of, detect.by, detect.method, parameters, detect.tolerance)
    return json.dumps([*parts, detect.checks, rule.on_version], sort_keys=True)


@contextmanager
def readable(what: str, saved: Any, version: int, form: str) -> Iterator[None]:
    """Turns whatever is wrong with a saved state into a StateError."""
    if not isinstance(saved, dict) or saved.get("v") != version or saved.get("form") != form:
        raise StateError(f"the saved {what} are of another form of the rule")
    try:
        yield
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as problem:
        raise StateError(f"the saved {what} cannot be read: {problem!r}") from problem
