"""Which columns a rule reads by name."""

from __future__ import annotations

from functools import lru_cache

from monitor.core.rules.aggregates import parse_aggregate
from monitor.core.rules.expressions import compile_condition
from monitor.core.rules.model import Detect, Form, Rule, Windowed


def reads(rule: Rule) -> tuple[str, ...]:
    """Columns named in a rule's expression and `by`; patterns of `detect` are not names and are left out."""
    return _reads(_Key(rule.form))


class _Key:
    """A form as a cache key by its text: forms may hold mappings, which do not hash."""

    def __init__(self, form: Form) -> None:
        self.form = form
        self.text = repr(form)

    def __hash__(self) -> int:
        return hash(self.text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and other.text == self.text


@lru_cache(maxsize=4096)
def _reads(key: _Key) -> tuple[str, ...]:
    form = key.form
    named: tuple[str, ...] = ()
    if isinstance(form, Detect) and form.of is not None:
        own = form.columns if form.kind == "estimated_errors" else ()
        named = (*own, *compile_condition(form.of).columns)
    elif isinstance(form, Windowed):
        aggregate = form.kind in ("measure", "compare")
        named = parse_aggregate(form.of).columns if aggregate else compile_condition(form.of).columns
    return tuple(dict.fromkeys((*named, *form.by)))
