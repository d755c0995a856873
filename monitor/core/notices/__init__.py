"""Notices: what is owed to whom, and why."""
