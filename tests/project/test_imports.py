"""What a process loads: neither the front nor the command line waits for River."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("river", "scipy", "apprise", "pandas")


def loaded_by(module: str) -> set[str]:
    """The top-level packages in memory after `module` is imported by a fresh interpreter."""
    script = f"import sys, {module}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("module", ["monitor.cli", "monitor.cli.incident", "monitor.app.front"])
def test_the_front_and_the_command_line_do_not_load_what_learns_or_sends(module: str) -> None:
    loaded = loaded_by(module)
    assert "monitor" in loaded
    assert loaded & set(HEAVY) == set()


def test_the_engine_loads_river_only_when_a_rule_names_it() -> None:
    assert "river" not in loaded_by("monitor.app.engine")
