"""What `overloop doctor` prints."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path

import typer

from monitor.cli.context import Exit, as_json, say
from monitor.settings import SettingsError, load


def examine(home: Path | None, config: Path | None, output: str) -> None:
    """Print a line for each look; ends the command with 1 if one of them is a problem."""
    from monitor.app.checkup import checkup
    from monitor.app.looks import Look

    try:
        looks = list(checkup(load({"home": home, "config": config}), os.environ))
    except SettingsError as problem:
        looks = [Look("settings", "problem", str(problem), "Correct the settings; `overloop check` looks at them all.")]
    bad = any(look.health == "problem" for look in looks)
    if output == "json":
        typer.echo(as_json({"well": not bad, "looks": [asdict(look) for look in looks]}))
    else:
        for look in looks:
            say(f"{look.health:8} {look.what}: {look.sentence}{' ' if look.remedy else ''}{look.remedy}")
    raise typer.Exit(int(Exit.FAILED if bad else Exit.OK))
