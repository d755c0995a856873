"""The command line: a noun, then a verb. Modules load only what their command needs."""

from __future__ import annotations

import sys
from io import TextIOWrapper


def main() -> None:
    """The `overloop` command."""
    from monitor.cli.root import app

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a terminal that knows no … must not end a command
            stream.reconfigure(errors="backslashreplace")
    app()
