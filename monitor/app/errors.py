"""What stops a start."""

from __future__ import annotations


class StartError(Exception):
    """The daemon cannot start; the text is for the person who started it."""
