"""Names of columns: a dotted path into an event that starts with one of four roots."""

from __future__ import annotations

from monitor.core.rules.diagnose import nearest

ROOTS = ("inputs", "output", "context", "truth")
_MEANT = {"in": "inputs", "prediction": "output", "predictions": "output", "label": "truth", "labels": "truth"}


def path_problem(path: str, wildcards: bool = False) -> tuple[str, str] | None:
    """Why a text is no path of a column: a sentence and the fix. None if it is one.

    With `wildcards` the path may be a pattern: `inputs.*`.
    """
    root, dot, rest = path.partition(".")
    if not path.isprintable() or len(path) > 200 or path != path.strip():
        return f"`{path[:60]!a}` is no name of a column.", "Write a path such as inputs.amount."
    if not wildcards and any(mark in path for mark in "*?["):
        return f"`{path}` is a pattern, but here one column is due.", "Write the whole name: inputs.amount."
    if wildcards and path == "*":
        return None
    if root not in ROOTS:
        roots = ", ".join(f"{name}." for name in ROOTS[:-1])
        message = f"`{path}` is no column: columns start with {roots} or {ROOTS[-1]}."
        close = _MEANT.get(root.lower()) or (nearest(root, ROOTS) if dot else None)
        return message, f"Did you mean `{close or 'inputs'}.{rest if dot else path}`?"
    if not rest or "" in rest.split("."):
        return f"`{path}` ends before the name of the column.", f"Write a path such as {root}.amount."
    return None
