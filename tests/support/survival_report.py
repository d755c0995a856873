"""The results of `make survival` in words: a table to read, one file for programs, and the page in docs/.

Run as `python tests/support/survival_report.py RESULTS [PAGE]`: RESULTS is the folder that the tests wrote to.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ANSWERS = ("200", "500", "429", "hangs", "drips", "resets")
Result = dict[str, Any]

HEAD = """\
# The matrix of deaths, and its results

`make survival` makes these tables anew; it takes about an hour, most of it waiting. `make test` runs a tenth, drawn
by a seed that stands in the names of the tests. What is promised, and what is not, is in the page on reliability.

"""
MATRIX = """\
## Killed at a named point

The installed wheel runs in a process of its own and is killed by SIGKILL exactly there, once, while the receiver (a
process of its own, whose log is the evidence) answers its first message as the column says and later ones with 200.
Then it is started again. **Held** means: it ended by SIGKILL at that point; every event posted is in the spool once and
observed once; the accounting adds up; the incidents and the messages that the receiver took are those of a run in which
nobody was killed; `overloop audit verify` exits 0. The number after a plus says how often a message was taken once more
than needed: delivery is at least once. Retention lets events go, so there their totals count and not their lines.

"""
POSTGRES = """\
## The same with the ledger on PostgreSQL

The engine's own parts (pump, courier, spool) as one process, with a courier of little patience, since the daemon itself
keeps its ledger in SQLite.

"""
POWER = """\
## Power cuts

A SIGKILL proves nothing about a disk: the system keeps what a dead process wrote. So the daemon runs under strace, and
the disk is rebuilt from its system calls.

"""
SOAK = """\
## Kills at random instants

Any process of the daemon (parent, front, engine, helper of a sender) is killed at a random instant, again and again,
while clients post. Each post is tried again until it is answered with 202; the clients' own sums are the reference.

"""


def main(folder: Path, page: Path | None) -> int:
    """Prints, and writes `summary.json`; answers 1 if anything did not hold."""
    results = [json.loads(path.read_text()) for path in sorted(folder.glob("*--*.json"))]
    text = HEAD + _matrix(results, "kill", MATRIX) + _matrix(results, "postgres", POSTGRES)
    text += _power(results) + _soak(results)
    failed = [f"{r['kind']} {r['name']}: {problem}" for r in results for problem in r["problems"]]
    kinds = {kind: sum(r["kind"] == kind for r in results) for kind in ("kill", "postgres", "order", "images", "soak")}
    (folder / "summary.json").write_text(json.dumps({"counts": kinds, "failed": failed, "results": results}, indent=1))
    print(text)
    print("\n".join(failed) or "Everything held.")
    if page is not None:
        page.write_text(text.rstrip() + "\n")
    return 1 if failed else 0


def _matrix(results: Sequence[Result], kind: str, words: str) -> str:
    found = {(r["point"], r["answer"]): r for r in results if r["kind"] == kind}
    points = list(dict.fromkeys(point for point, _ in found))
    if not points:
        return ""
    order = sorted(points, key=lambda point: (point.partition(" ")[2], point.startswith("after")))
    rows = [[point, *(_cell(found.get((point, answer))) for answer in ANSWERS)] for point in order]
    held, twice = sum(not r["problems"] for r in found.values()), sum(r["twice"] for r in found.values())
    sums = f"{held} of {len(found)} held; {twice} messages were taken once more than needed."
    return f"{words}{_table(['killed', *ANSWERS], rows)}\n{sums}\n\n"


def _cell(result: Result | None) -> str:
    if result is None:
        return "not run"
    return "**failed**" if result["problems"] else f"held +{result['twice']}" if result["twice"] else "held"


def _power(results: Sequence[Result]) -> str:
    said = [
        f"- {r['promises']} promises (answers with 202, an acknowledgement, messages to a receiver) were each made after "
        f"the sync that they rest on had ended: {_verdict(r)}."
        for r in results
        if r["kind"] == "order"
    ]
    said += [
        f"- {r['images']} disks, as of each of {r['syncs']} syncs, once with all later writes dropped and once with a "
        f"random half of their pages kept, were opened by the daemon's own code, {r['daemons']} of them by a whole "
        f"daemon: nothing promised was missing, every event was observed once, the audit log was intact: {_verdict(r)}."
        for r in results
        if r["kind"] == "images"
    ]
    return POWER + "\n".join(said) + "\n\n" if said else ""


def _soak(results: Sequence[Result]) -> str:
    rows = []
    for r in (r for r in results if r["kind"] == "soak"):
        kills = ", ".join(f"{role} {times}" for role, times in sorted(r["kills"].items()))
        extra = ", ".join(f"{pages} with {times}" for times, pages in r["duplicates per page"].items())
        total = sum(r["kills"].values())
        rows.append(
            [f"{r['seconds']:.0f}", f"{total} ({kills})", str(r["events"]), str(r["pages"]), extra, _verdict(r)]
        )
    head = ["seconds", "kills", "events", "pages", "pages with so many duplicates", "result"]
    return SOAK + _table(head, rows) + "\n" if rows else ""


def _verdict(result: Result) -> str:
    return "**failed**" if result["problems"] else "held"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None))
