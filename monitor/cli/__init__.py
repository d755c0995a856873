"""The command line: a noun, then a verb. Modules load only what their command needs."""

from __future__ import annotations


def main() -> None:
    """The `overloop` command."""
    from monitor.cli.root import app

    app()
