"""What the desk answers when it does not do what a person asked."""

from __future__ import annotations

from typing import Any


class DeskError(Exception):
    """Nothing was changed. The text is a whole sentence for the person who asked."""


class Refused(DeskError):  # noqa: N818 (an answer, not a mistake)
    """It cannot be done as asked."""


class NotFound(DeskError):  # noqa: N818
    """There is no such thing."""


class Forbidden(DeskError):  # noqa: N818
    """The role of this person does not go that far."""


class Conflict(DeskError):  # noqa: N818
    """It was changed since this person looked; `current` is what it is now (an incident or a gate)."""

    def __init__(self, sentence: str, current: dict[str, Any]) -> None:
        super().__init__(sentence)
        self.current = current
