"""What must be where: the traps of this layout, and what a stranger's clone needs."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import monitor

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
CLIENT = tomllib.loads((ROOT / "monitor/client/pyproject.toml").read_text())


def test_the_folder_alembic_does_not_shadow_the_library() -> None:
    assert (ROOT / "alembic").is_dir()
    assert not (ROOT / "alembic/__init__.py").exists()
    done = subprocess.run(
        [sys.executable, "-c", "import alembic; print(alembic.__version__)"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert re.fullmatch(r"1\.\d+\.\d+\n", done.stdout)


def test_the_settings_of_alembic_are_in_pyproject() -> None:
    assert not list(ROOT.glob("**/alembic.ini"))
    assert PROJECT["tool"]["alembic"]["script_location"] == "%(here)s/alembic"


def test_all_distributions_have_the_version_of_the_package() -> None:
    assert monitor.__version__ == PROJECT["project"]["version"] == CLIENT["project"]["version"]
    assert f"## {monitor.__version__}" in (ROOT / "CHANGELOG.md").read_text()


def test_every_locked_file_has_a_hash() -> None:
    requirements = (ROOT / "requirements.lock").read_text().replace("\\\n", " ").splitlines()
    assert len(requirements) > 60
    assert all("==" in line and "--hash=sha256:" in line for line in requirements)


def test_no_script_names_the_host_of_a_registry() -> None:
    scripts = [ROOT / "Makefile", ROOT / "requirements.lock", *(ROOT / ".ci").iterdir()]
    for script in scripts:
        found = re.search(r"pypi|pythonhosted|index-url|find-links", script.read_text())
        assert found is None, f"{script.name} names {found[0] if found else ''}"


def test_the_licence_is_whole() -> None:
    text = (ROOT / "LICENSE").read_text()
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text
    assert PROJECT["project"]["license"] == CLIENT["project"]["license"] == "Apache-2.0"


def test_every_package_of_ours_is_a_regular_one() -> None:
    """A folder of modules without __init__.py is left out by tools that look for packages."""
    folders = {path.parent for path in (ROOT / "monitor").rglob("*.py")}
    assert [str(folder.relative_to(ROOT)) for folder in folders if not (folder / "__init__.py").exists()] == []
