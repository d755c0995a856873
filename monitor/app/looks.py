"""One thing that was looked at, and how well it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Health = Literal["ok", "warning", "problem"]


@dataclass(frozen=True, slots=True)
class Look:
    """`sentence` says how it is, `remedy` what to do (empty where there is nothing to do)."""

    what: str
    health: Health
    sentence: str
    remedy: str = ""
