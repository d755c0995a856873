"""Loops: what runs as long as the daemon does."""
