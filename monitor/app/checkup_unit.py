"""The systemd unit, where there is one."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator

from monitor.app.looks import Look

UNIT = "overloop.service"
_ASKED = ("LoadState", "ActiveState", "SubState", "NRestarts", "UnitFileState")
Ask = Callable[[], str]


def ask_systemd() -> str:
    """What systemd says of the unit, a `Name=value` a line; nothing where there is no systemd."""
    program = shutil.which("systemctl")
    if program is None:
        return ""
    command = [program, "show", UNIT, f"--property={','.join(_ASKED)}"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=5, check=False).stdout  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return ""


def look_at_unit(ask: Ask = ask_systemd) -> Iterator[Look]:
    """One look if systemd knows the unit, none otherwise."""
    said = dict(line.partition("=")[::2] for line in ask().splitlines())
    if said.get("LoadState") != "loaded":
        return
    state, restarts = said.get("ActiveState", "unknown"), said.get("NRestarts", "0")
    sentence = f"The unit {UNIT} is {state} ({said.get('SubState', 'unknown')}) and was restarted {restarts} times."
    if state != "active":
        yield Look(
            "unit", "problem", sentence, "`systemctl start overloop`; `journalctl -u overloop` says why it ended."
        )
    elif said.get("UnitFileState") not in ("enabled", "static", "alias", "enabled-runtime"):
        remedy = "`systemctl enable overloop`, or it is not there after the next boot."
        yield Look("unit", "warning", f"{sentence[:-1]}, and is not started at boot.", remedy)
    else:
        yield Look("unit", "ok", sentence)
