"""What the built distributions hold, and the client by itself in an environment of nothing."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

IMPORT = """
import json, sys, time
before = set(sys.modules)
started = time.process_time()  # not what a busy machine takes meanwhile
import overloop_client
seconds = time.process_time() - started
found = {name.partition(".")[0] for name in set(sys.modules) - before}
foreign = sorted(name for name in found if name not in sys.stdlib_module_names and name != "overloop_client")
print(json.dumps({"seconds": seconds, "foreign": foreign, "file": overloop_client.__file__}))
"""


def build(folder: Path, out: Path) -> Path:
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    return next(out.glob("*.whl"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    return zipfile.ZipFile(build(ROOT, tmp_path_factory.mktemp("wheel")))


@pytest.fixture(scope="module")
def bare_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter that knows the standard library and the client's wheel."""
    folder = tmp_path_factory.mktemp("client")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")], check=True)
    packages = next((folder / "venv/lib").glob("python3*/site-packages"))
    with zipfile.ZipFile(build(ROOT / "monitor/client", folder)) as files:
        files.extractall(packages)
    return folder / "venv/bin/python"


def test_the_wheel_holds_all_that_the_daemon_reads(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    for folder, inside in (("alembic", "monitor/_migrations"), ("rules", "monitor/_rules"), ("monitor", "monitor")):
        files = [path for path in (ROOT / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts]
        wanted = {f"{inside}/{path.relative_to(ROOT / folder)}" for path in files}
        assert wanted - names <= {"monitor/client/pyproject.toml"}
    assert {"monitor/py.typed", "monitor/_migrations/env.py"} <= names
    assert any(name.startswith("monitor/_rules/base/") for name in names)
    assert any(name.endswith("data/lib/systemd/system/overloop.service") for name in names)
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_the_wheel_holds_nothing_else(wheel: zipfile.ZipFile) -> None:
    tops = {name.partition("/")[0] for name in wheel.namelist()}
    assert {top.partition("-")[0] for top in tops} == {"monitor", "overloop"}
    assert not [name for name in wheel.namelist() if "__pycache__" in name]


def test_the_client_needs_nothing_but_python_and_loads_at_once(bare_python: Path) -> None:
    runs = []
    for _ in range(5):  # the first also writes bytecode
        done = subprocess.run([bare_python, "-I", "-c", IMPORT], check=True, capture_output=True, text=True)
        runs.append(json.loads(done.stdout))
    assert runs[0]["foreign"] == []
    assert Path(runs[0]["file"]).is_relative_to(bare_python.parents[1])
    assert min(run["seconds"] for run in runs) < 0.1


def test_the_client_has_the_same_names_by_both_doors(bare_python: Path) -> None:
    script = "import overloop_client; print(*sorted(overloop_client.__all__))"
    alone = subprocess.run([bare_python, "-I", "-c", script], check=True, capture_output=True, text=True)
    from monitor import client

    assert alone.stdout.split() == sorted(client.__all__)
