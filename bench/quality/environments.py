"""Makes an environment for each competitor: `python -m bench.quality.environments [NAME…] [--folder DIR]`.

They need older libraries than the project and each other, so each has a folder of its own, by default below
`build/environments` (or where $OVERLOOP_BENCH_ENVIRONMENTS says).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from bench.quality.systems.external import EXTERNAL, FOLDER, folder

PACKAGES = {
    "evidently": ("evidently==0.7.23", "pandas<3"),
    "nannyml": ("nannyml==0.13.1", "pandas<3", "statsmodels"),
    "frouros": ("frouros==0.9.0",),
    "alibi-detect": ("alibi-detect==0.13.0",),
}
UV = Path(sys.executable).with_name("uv")  # a tool of the project's own environment


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(EXTERNAL)}; all by default")
    parser.add_argument("--folder", type=Path, default=folder())
    asked = parser.parse_args()
    unknown = sorted(set(asked.names) - set(EXTERNAL))
    if unknown:
        parser.error(f"There is no environment for {', '.join(unknown)}; there are {', '.join(EXTERNAL)}.")
    failed = [name for name in asked.names or EXTERNAL if not make(name, asked.folder)]
    if asked.folder != folder():
        print(f"Set {FOLDER}={asked.folder} so that the benchmark finds them.")
    return 1 if failed else 0


def make(name: str, where: Path) -> bool:
    """Whether the library was installed into a fresh environment."""
    home = where / name
    print(f"{name}: into {home}", flush=True)
    fresh = [str(UV), "venv", "--quiet", "--clear", "--python", sys.executable, str(home)]
    install = [str(UV), "pip", "install", "--quiet", "--python", str(home / "bin/python"), *PACKAGES[name]]
    for command in (fresh, install):
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode:
            print(f"{name} could not be installed: {done.stderr.strip()}", flush=True)
            return False
    return True


if __name__ == "__main__":
    sys.exit(main())
