"""Secrets that let somebody in: how they are drawn, and what is kept of them."""

from __future__ import annotations

import secrets
from hashlib import sha256

PREFIX = "ovl_"


def new_secret() -> str:
    """A token nobody can guess: 32 random bytes."""
    return PREFIX + secrets.token_urlsafe(32)


def digest(secret: str) -> str:
    """What the ledger keeps of a token."""
    return sha256(secret.encode()).hexdigest()
