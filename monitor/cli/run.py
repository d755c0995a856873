"""What `overloop run` and `overloop check` do."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from monitor.cli.context import Exit, fail, say, sentence
from monitor.settings import Settings, SettingsError, load


def run(flags: Mapping[str, Any]) -> None:
    """Run the daemon; ends the command with its exit code, 2 on settings it cannot use, 3 where it cannot start."""
    from monitor.app.hiding import redactor
    from monitor.app.home import HomeError
    from monitor.app.start import StartError
    from monitor.app.start import run as start
    from monitor.clock import ClockError
    from monitor.telemetry.logs import configure_logging

    try:
        settings = load(flags)
        configure_logging(settings.log.format, settings.log.level, redactor(settings, os.environ))
        code = start(settings)
    except SettingsError as problem:
        fail(str(problem), Exit.USAGE)
    except (HomeError, StartError, ClockError) as problem:
        fail(str(problem), Exit.UNREACHABLE)
    except OSError as problem:
        fail(f"The daemon cannot start. {sentence(problem)}", Exit.UNREACHABLE)
    raise typer.Exit(code)


def check(home: Path | None, config: Path | None) -> None:
    """Say what is wrong or odd with the settings and the rules; ends the command with 1 if they cannot be used."""
    from monitor.cli.rules_check import report
    from monitor.settings.parts import remarks, rule_folders

    try:
        settings = load({"home": home, "config": config})
    except SettingsError as problem:
        fail(str(problem), Exit.FAILED)
    for said in (*remarks(settings), *_unaddressed(settings)):
        say(f"note: {said}")
    say(f"The settings are fine; the home folder is {settings.home}.")
    report(rule_folders(settings), settings, "table")


def _unaddressed(settings: Settings) -> list[str]:
    """What the daemon would miss in this environment; its own may be another."""
    from monitor.settings.secrets import addresses, heartbeat_address

    said = []
    for look in (addresses, heartbeat_address):
        try:
            look(settings, os.environ)
        except SettingsError as problem:
            said.append(f"{problem} The daemon will not start in an environment like this one.")
    return said
