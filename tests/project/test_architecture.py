"""The map in ARCHITECTURE.md is the territory."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HIDDEN = {"__pycache__", ".git", ".venv", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis"}
HIDDEN |= {".import_linter_cache", "build", "dist", ".fuzz"}


def mapped() -> list[str]:
    """What the table under "Map" names, in its order."""
    _, _, section = (ROOT / "ARCHITECTURE.md").read_text().partition("\n## Map\n")
    return re.findall(r"^\| `([^`]+)` \| \S", section.partition("\n## ")[0], re.MULTILINE)


def on_disk() -> set[str]:
    """Folders of the project, folders of the package two levels deep, and the package's own modules."""
    tops = folders_in(ROOT)
    parts = folders_in(ROOT / "monitor")
    inner = [path for folder in parts for path in folders_in(folder)]
    modules = [path for path in (ROOT / "monitor").glob("*.py") if path.name != "__init__.py"]
    found = {f"{path.relative_to(ROOT)}/" for path in (*tops, *parts, *inner)}
    return found | {str(path.relative_to(ROOT)) for path in modules}


def folders_in(folder: Path) -> list[Path]:
    """Those with a file somewhere in them: git keeps no others."""
    found = [path for path in folder.iterdir() if path.is_dir() and path.name not in HIDDEN]
    return [path for path in found if any(f.is_file() and "__pycache__" not in f.parts for f in path.rglob("*"))]


def test_every_place_is_on_the_map_and_nothing_else_is() -> None:
    assert sorted(on_disk() - set(mapped())) == [], "not on the map"
    assert sorted(set(mapped()) - on_disk()) == [], "on the map and not on the disk"


def test_no_place_is_on_the_map_twice() -> None:
    assert len(mapped()) == len(set(mapped()))


def test_every_module_that_the_text_names_exists() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    named = set(re.findall(r"`((?:core|runtime|store|web|app|cli)\.[a-z_]+)`", text))
    assert named
    for name in named:
        place = ROOT / "monitor" / name.replace(".", "/")
        assert place.is_dir() or place.with_suffix(".py").exists(), f"{name} is not there"
