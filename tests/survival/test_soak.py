"""Any process is killed at random instants under load: the client's own count of answers is what must come out."""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from daemon_process import WAIT, Daemon, alive, until
from hook_target import HookTarget
from kill_matrix import audit_code, ids_in
from soak import MODELS, Killer, Load, Poster, bad, quiet
from survival import ALL, SEED, keep

SECONDS = float(os.environ.get("OVERLOOP_SURVIVAL_SOAK") or (900.0 if ALL else 15.0))
TOLD = 180.0 + WAIT  # seconds that the last pages may take: the lease of a courier that was killed lasts 90
TOML = '[receivers.hook]\ntype = "webhook"\nurl_env = "HOOK"\n[receivers.json]\nurl_env = "WORDS"\n[notices]\ngroup_wait = "0s"\n'


@pytest.mark.slow
def test_kills_at_random_instants_lose_nothing_and_every_page_is_told(
    make_daemon: Callable[..., Daemon], tmp_path: Path
) -> None:
    with HookTarget(tmp_path / "target.jsonl", "500", bad=3) as target:
        words = target.url.replace("http", "json")
        daemon = make_daemon(toml=TOML, environ={"HOOK": target.url, "WORDS": words}).start()
        load, killer = Load(), Killer(daemon, SEED)
        posters = [Poster(daemon, load, f"p{n}", SEED + n) for n in range(2)]
        _soak(daemon, load, killer, posters)
        quiet(daemon, killer)
        incidents = {i["model"]: i["id"] for i in daemon.incidents() if i["rule"] == "Low"}
        until(lambda: _pending(daemon, incidents) == [], "pages are not delivered", TOLD)
        accounting, states = daemon.accounting(), sorted((i["model"], i["rule"]) for i in daemon.incidents())
        family = daemon.family()
        assert daemon.stop() == 0
        assert not [pid for pid in family if alive(pid)]
        per_page = Counter((r["by"], r["incident"]) for r in target.requests() if r["answer"] == "200")
    kept = ids_in(daemon.home / "spool")
    extra = Counter(times - 1 for times in per_page.values())
    said = _problems(load, accounting, kept)
    held = {
        f"The incidents are {states}.": states == [(f"m{n}", "Low") for n in range(MODELS)],
        "A page was not told.": set(per_page) >= {(by, i) for by in ("webhook", "apprise") for i in incidents.values()},
        "`audit verify` fails.": audit_code(daemon) == 0,
        f"There were only {killer.kills} kills.": killer.kills.total() >= SECONDS / 12,
    }
    said += [sentence for sentence, holds in held.items() if not holds]
    found = {
        "seconds": SECONDS, "kills": dict(killer.kills), "ended": killer.ended, "events": len(load.sent),
        "accepted": load.accepted, "duplicates": load.duplicates, "unanswered": load.unanswered,
        "pages": len(per_page), "duplicates per page": {str(k): v for k, v in sorted(extra.items())},
        "accounting": {k: v for k, v in accounting.items() if isinstance(v, int)}, "problems": said,
    }  # fmt: skip
    keep("soak", f"seed {SEED}", found)
    print(f"soak with seed {SEED}: {found}")
    assert not said


def _problems(load: Load, accounting: dict[str, Any], kept: list[str]) -> list[str]:
    """What the client's own count says against the daemon's."""
    sums = {name: accounting[name] for name in ("received", "accepted", "duplicates", "observed", "waiting")}
    more = accounting["duplicates"] - load.duplicates
    held = {
        f"Of {len(load.sent)} events {len(set(kept))} are in the spool.": set(kept) == load.sent,
        f"{len(kept) - len(set(kept))} events are there twice.": len(kept) == len(set(kept)),
        f"Of {len(load.sent)} events {sums}.": accounting["accepted"] == accounting["observed"] == len(load.sent),
        f"The client counts {load.accepted} and {load.duplicates}.": load.accepted + load.duplicates == len(load.sent),
        f"Duplicates: {more} more than the client knows.": 0 <= more <= load.unanswered,
        f"Received is no sum: {sums}.": accounting["received"] == accounting["accepted"] + accounting["duplicates"],
        f"Something is left over: {accounting}.": not any(
            accounting[n] for n in ("rejected", "quarantined", "waiting")
        ),
    }
    return [sentence for sentence, holds in held.items() if not holds]


def _soak(daemon: Daemon, load: Load, killer: Killer, posters: list[Poster]) -> None:
    """Kills for so long, with each model going bad at an instant of its own."""
    began, draw = time.monotonic(), random.Random(SEED)
    due = sorted((draw.uniform(0.0, SECONDS), model) for model in range(MODELS))
    for poster in posters:
        poster.start()
    while time.monotonic() - began < SECONDS or due:
        time.sleep(killer.pause())
        while due and due[0][0] <= time.monotonic() - began:
            load.post(daemon, bad(due.pop(0)[1]), time.monotonic() + 120.0)
        killer.kill()
    killer.rise()
    for poster in posters:
        poster.done.set()
    for poster in posters:
        poster.join(120.0)
        assert poster.failure is None and not poster.is_alive(), poster.failure


def _pending(daemon: Daemon, incidents: dict[str, str]) -> list[str]:
    """Incidents of which a receiver has not been told."""
    waiting = []
    for id_ in incidents.values():
        status, found = daemon.ask(f"/v1/incidents/{id_}")
        if status != 200 or [n for n in found["notices"] if n["state"] not in ("delivered", "unknown", "cancelled")]:
            waiting.append(id_)
    return waiting
