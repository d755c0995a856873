"""Columns that must not reach the disk as they are."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Literal

Treatment = Literal["hash", "drop"]

# Whole names, or their last words: `user_password` is one, `password_length` is not. Dropped is what lets somebody
# in, and what card rules forbid to keep; hashed is what names a person or an account, so that equal stays equal.
_DROP = re.compile(
    r"(?:.*_)?(?:pass_?word|passwd|pass_?phrase|pass_?code|pwd|secret|secret_key|api_?key|access_key|private_key|"
    r"authorization|credentials?|bearer|cvv2?|cvc2?|(?:access|auth|refresh|session|id|api|bearer|csrf|oauth|jwt)_token)"
    r"|token"
)
_HASH = re.compile(
    r"(?:.*_)?(?:card|card_?(?:number|no)|cc_?(?:number|num)|pan|iban|ssn|social_security(?:_number)?|"
    r"account_(?:number|no)|passport(?:_number|_no)?|national_id|tax_id)"
)
_HUMPS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+")
_REMEMBERED = 20_000


def _no_kinds(_model: str) -> Mapping[str, str]:
    return {}


class Secrets:
    """What to do with each column of each model. Immutable: a new rule book makes a new one.

    `kinds(model)` gives the kinds of columns the rule book names; kind `secret` makes a column secret whatever its
    name, any other kind says that the name deceives. Below a secret column everything is secret. In the objects of a
    list paths go on as if there were no list: `inputs.payments.card_number`. Text is text: names and numbers inside
    a text, JSON or not, are not looked for; such a column must be named as secret itself.
    """

    def __init__(self, key: bytes, kinds: Callable[[str], Mapping[str, str]] = _no_kinds) -> None:
        if len(key) < 16:
            raise ValueError("The key for secret columns has fewer than 16 bytes: make a new one.")
        self._key = key
        self._kinds = kinds
        self._known: dict[tuple[str, str], Treatment | None] = {}

    def treatment(self, model: str, path: str) -> Treatment | None:
        """Whether the column at this dotted path is hashed, dropped, or (None) kept as it is."""
        key = (model, path)
        if key not in self._known:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[key] = self._decide(self._kinds(model), path)
        return self._known[key]

    def hashed(self, value: Any) -> str:
        """`h:` and 128 bits of HMAC-SHA256: equal values of one home stay equal, and nothing leads back."""
        text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
        digest = hmac.digest(self._key, text.encode("utf-8", "surrogatepass"), hashlib.sha256)
        return f"h:{digest[:16].hex()}"

    def _decide(self, kinds: Mapping[str, str], path: str) -> Treatment | None:
        parts = path.split(".")
        for depth in range(len(parts), 1, -1):  # what is said of the column itself goes before what is above it
            by_name = _by_name(parts[depth - 1])
            kind = kinds.get(".".join(parts[:depth]))
            if kind == "secret":
                return by_name or "hash"
            if kind is not None:
                return None
            if by_name:
                return by_name
        return None


def _by_name(name: str) -> Treatment | None:
    words = _HUMPS.sub("_", name).lower().strip("_")
    if _DROP.fullmatch(words):
        return "drop"
    return "hash" if _HASH.fullmatch(words) else None
