"""`make fuzz`: every target for a while, with atheris. Inputs that lead somewhere new are kept and taken up next time.

    python tests/fuzz/run.py [--seconds S] [--again] [TARGET ...]

Each target runs in a process of its own: libFuzzer ends the process at the first input that should not be. That input
stays in .fuzz/crashes, and `--again` runs what is there without looking for more.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
from hashlib import sha1
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / ".fuzz"
LIMITS = (
    "-timeout=10",
    "-rss_limit_mb=2048",
    "-detect_leaks=0",
    "-print_final_stats=1",
)  # seconds and MB for one input


def main() -> int:
    asked = _arguments()
    if asked.inside:
        return _inside(asked.targets[0], asked.libfuzzer)
    sys.path.insert(0, str(ROOT / "tests" / "support"))
    import fuzz_targets

    names = asked.targets or list(fuzz_targets.ALL)
    unknown = [name for name in names if name not in fuzz_targets.ALL]
    if unknown:
        print(f"There is no target {unknown[0]!r}; there are {', '.join(fuzz_targets.ALL)}.", file=sys.stderr)
        return 2
    failed = []
    for number, name in enumerate(names, 1):
        print(f"[{number}/{len(names)}] {name:<18} ", end="", flush=True)
        target = fuzz_targets.ALL[name]
        good, said = _again(name) if asked.again else _fuzz(name, target.seeds, target.most, asked.seconds)
        print(said, flush=True)
        failed += [] if good else [name]
    print(f"{len(names) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make fuzz", description="Feeds every parser of outside input with what breaks it."
    )
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="all, if none is named")
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--again", action="store_true", help="only the inputs that once failed")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    found, rest = parser.parse_known_args()
    if rest and not found.inside:
        parser.error(f"there is no option {rest[0]}")
    found.libfuzzer = rest
    return found


def _fuzz(name: str, seeds: tuple[bytes, ...], most: int, seconds: int) -> tuple[bool, str]:
    corpus, crashes = KEPT / "corpus" / name, KEPT / "crashes"
    for folder in (corpus, crashes):
        folder.mkdir(parents=True, exist_ok=True)
    for seed in seeds:
        (corpus / sha1(seed, usedforsecurity=False).hexdigest()).write_bytes(seed)
    began = time.monotonic()
    asked = [f"-max_total_time={seconds}", f"-max_len={most}", f"-artifact_prefix={crashes}/{name}-", *LIMITS]
    code, said = _run(name, [*asked, str(corpus)])
    log = KEPT / f"{name}.log"
    log.write_text(said)
    found = re.search(r"number_of_executed_units:\s*(\d+)", said)
    inputs = f"{int(found[1]):,} inputs in {time.monotonic() - began:.0f} s" if found else "some inputs"
    if code == 0:
        return True, f"{inputs}, {len(list(corpus.iterdir())):,} kept"
    artifact = re.search(r"Test unit written to (\S+)", said)
    return False, f"FAILED after {inputs}: {artifact[1] if artifact else 'no input was kept'}, see {log}"


def _again(name: str) -> tuple[bool, str]:
    kept = sorted((KEPT / "crashes").glob(f"{name}-*-*"))
    if not kept:
        return True, "nothing has failed here"
    code, said = _run(name, [*LIMITS, *map(str, kept)])
    (KEPT / f"{name}.log").write_text(said)
    return code == 0, f"{len(kept)} inputs " + (
        "hold now" if code == 0 else f"of which one FAILED, see {KEPT / name}.log"
    )


def _run(name: str, libfuzzer: list[str]) -> tuple[int, str]:
    command = [sys.executable, "-W", "ignore", __file__, "--inside", name, *libfuzzer]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    return done.returncode, done.stdout.decode(errors="replace")


def _inside(name: str, libfuzzer: list[str]) -> int:
    """One target, until libFuzzer ends the process."""
    import atheris

    sys.path.insert(0, str(ROOT / "tests" / "support"))
    with atheris.instrument_imports(include=["monitor"]):
        import fuzz_targets
    target = fuzz_targets.ALL[name]
    for seed in target.seeds:  # what is loaded late, Apprise above all, is loaded before inputs are timed
        target.run(seed)

    def check(data: bytes) -> None:
        try:
            target.check(data)
        except BaseException:  # libFuzzer keeps inputs that hang or take too much memory, and those not always
            kept = KEPT / "crashes" / f"{name}-crash-{sha1(data, usedforsecurity=False).hexdigest()}"
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_bytes(data)
            print(f"Test unit written to {kept}", file=sys.stderr, flush=True)
            raise

    atheris.Setup([sys.argv[0], *libfuzzer], check)
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
