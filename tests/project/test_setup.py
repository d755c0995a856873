"""The set-up says in one sentence what a machine lacks. Interpreters are small shell scripts that play old or bare."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ("sh", "dirname", "touch")

PYTHON = """#!/bin/sh
case "$*" in
    *"% sys.version_info"*) echo {version} ;;
    *"< (3, 11)"*) exit {too_old} ;;
    *ensurepip*) exit {bare} ;;
    "-m venv --clear .venv") mkdir -p .venv/bin && cp "$0" .venv/bin/python ;;
    *"pip"*) echo "$*" >> pip.log; exit {pip_fails} ;;
    *) echo "unexpected: $*" >&2; exit 64 ;;
esac
"""


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A checkout of nothing but the set-up script, and a PATH of nothing but `bin`."""
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci/setup", tmp_path / ".ci/setup")
    (tmp_path / "bin").mkdir()
    for tool in (*TOOLS, "mkdir", "cp"):
        (tmp_path / "bin" / tool).symlink_to(str(shutil.which(tool)))
    return tmp_path


def add_python(machine: Path, name: str, version: str, *, bare: bool = False, pip_fails: bool = False) -> None:
    too_old = tuple(map(int, version.split("."))) < (3, 11)
    script = PYTHON.format(version=version, too_old=int(too_old), bare=int(bare), pip_fails=int(pip_fails))
    (machine / "bin" / name).write_text(script)
    (machine / "bin" / name).chmod(0o755)


def set_up(machine: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", str(machine / ".ci/setup")],
        env={"PATH": str(machine / "bin")},
        capture_output=True,
        text=True,
        check=False,
    )


def test_an_old_python_gets_one_sentence(machine: Path) -> None:
    add_python(machine, "python3", "3.9.2")
    done = set_up(machine)
    assert done.returncode == 1
    assert done.stderr == (
        f"Overloop needs Python 3.11 or newer and found only Python 3.9.2 ({machine}/bin/python3): "
        "install a newer Python or uv, then run make again.\n"
    )
    assert done.stdout == ""


def test_a_python_without_venv_gets_one_sentence(machine: Path) -> None:
    add_python(machine, "python3", "3.11.2", bare=True)
    done = set_up(machine)
    assert done.returncode == 1
    assert done.stderr == (
        f"Python 3.11.2 ({machine}/bin/python3) lacks its venv module: install it "
        "(on Debian and Ubuntu: apt install python3-venv), then run make again.\n"
    )


def test_no_python_at_all_gets_one_sentence(machine: Path) -> None:
    done = set_up(machine)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "found none" in done.stderr


def test_a_shim_that_leads_nowhere_is_not_a_python(machine: Path) -> None:
    (machine / "bin/python3").write_text("#!/bin/sh\necho 'command not found' >&2\nexit 127\n")
    (machine / "bin/python3").chmod(0o755)
    done = set_up(machine)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "found none" in done.stderr


def test_a_newer_python_beside_an_old_one_is_found(machine: Path) -> None:
    add_python(machine, "python3", "3.9.2")
    add_python(machine, "python3.13", "3.13.0")
    done = set_up(machine)
    assert done.returncode == 0, done.stderr
    assert (machine / ".venv/.set-up").exists()
    log = (machine / "pip.log").read_text().splitlines()
    assert [line for line in log if "--require-hashes --requirement requirements.lock" in line]
    assert [line for line in log if "--no-index --no-deps --no-build-isolation --editable ." in line]


def test_a_failed_download_leaves_no_stamp(machine: Path) -> None:
    add_python(machine, "python3", "3.12.1", pip_fails=True)
    done = set_up(machine)
    assert done.returncode != 0
    assert not (machine / ".venv/.set-up").exists()


def test_uv_is_taken_where_there_is_one(machine: Path) -> None:
    uv = machine / "bin/uv"
    uv.write_text('#!/bin/sh\nmkdir -p .venv/bin\necho "$*" >> uv.log\n')
    uv.chmod(0o755)
    done = set_up(machine)
    assert done.returncode == 0, done.stderr
    log = (machine / "uv.log").read_text()
    assert log.startswith("sync --frozen")
    assert "--offline" in log.splitlines()[1]


def test_make_skips_the_set_up_when_its_stamp_is_newer_than_the_lock(machine: Path) -> None:
    make = shutil.which("make")
    if make is None:
        pytest.skip("make is not installed")
    for name in ("Makefile", "uv.lock", "requirements.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, machine / name)
    add_python(machine, "python3", "3.12.1")
    environment = {"PATH": str(machine / "bin")}
    for _ in range(2):
        subprocess.run([make, "setup"], cwd=machine, env=environment, check=True, capture_output=True)
    log = (machine / "pip.log").read_text()
    assert log.count("--require-hashes") == 1
