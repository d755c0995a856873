"""Senders: how one message reaches one target. Addresses are secrets and never leave this package."""
