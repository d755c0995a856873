"""Streams with known truth: drawn, injected into real series, or read from a folder."""
