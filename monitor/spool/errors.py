"""What can go wrong with the spool, each with a sentence that says what to do."""

from __future__ import annotations

from pathlib import Path


class SpoolError(Exception):
    """The spool could not do what it was asked."""


class SpoolFull(SpoolError):  # noqa: N818
    """There is no room; nothing of this call was written. Worth trying again once there is."""


class SpoolBusy(SpoolError):  # noqa: N818
    """Another process holds the spool or one of its files. Worth trying again."""


class SpoolUnusable(SpoolError):  # noqa: N818
    """The folder cannot be read or written as it should."""


class SpoolDamaged(SpoolError):  # noqa: N818
    """A file does not hold what was put in it. Nothing is skipped until a person says so."""

    def __init__(self, path: Path, what: str) -> None:
        self.path = path
        super().__init__(
            f"{path} is damaged: {what}. Put the file back from a backup, or stop the daemon and run "
            f"`overloop events set-aside {path}`, which keeps every record that can still be read and "
            f"notes what is lost."
        )
