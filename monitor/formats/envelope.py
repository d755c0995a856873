"""What an event and a truth look like, as typed structs: how lines that passed the check are read back."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec

At = Annotated[datetime, msgspec.Meta(tz=True)] | float | int | None
Section = dict[str, Any] | None

EVENT_SECTIONS = ("inputs", "output", "context", "truth")
TRUTH_SECTIONS = ("truth",)


class Event(msgspec.Struct, gc=False, forbid_unknown_fields=True, omit_defaults=True):
    """One answer of one model."""

    id: str | int
    model: str
    version: str | int | float | None = None
    at: At = None
    inputs: Section = None
    output: Section = None
    context: Section = None
    truth: Section = None


class Truth(msgspec.Struct, gc=False, forbid_unknown_fields=True, omit_defaults=True):
    """The truth about an event that was sent before."""

    id: str | int
    model: str
    truth: dict[str, Any]
    at: At = None
