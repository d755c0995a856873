"""Overloop watches AI models at work and calls a person only when something needs one."""

__version__ = "0.1.0"
