"""Pages stay quick on a ledger that has seen a lot: 10,000 incidents, 50,000 audit entries, 500 pieces of evidence."""

from __future__ import annotations

import statistics
import time
from dataclasses import replace
from typing import Any

import pytest

from monitor.core.changes import Changes
from monitor.store.queries import load_incident

Site = Any  # of conftest
INCIDENTS, EVIDENCE, ENTRIES, EVENTS = 10_000, 500, 5, 20_000
PATIENCE = 0.1  # seconds of this process's own time: what else runs on the machine does not count


def crowd(site: Site, first: str) -> None:
    """Incidents beside the first, most of them closed, each with evidence and audit entries."""
    with site.database.read() as connection:
        base = load_incident(connection, first)
    assert base is not None
    for part in range(20):
        changes = Changes()
        for n in range(part * INCIDENTS // 20, (part + 1) * INCIDENTS // 20):
            id_, state = f"{n:08d}-0000-5000-8000-000000000000", "open" if n % 20 == 0 else "closed"
            texts = {"summary": "s" * 150, "meaning": "m" * 600, "action": "a" * 400}
            changes.incidents[id_] = replace(base, id=id_, state=state, opened_at=site.clock.at - n, **texts)
            changes.evidence += [(id_, site.evidence(detail="d" * 100))] * 3
        with site.database.write(site.clock.at) as tx:
            tx.apply(changes)
            for id_ in changes.incidents:
                for kind in ("incident_opened", "acknowledged", "incident_closed", "notice_delivered", "verdict")[
                    :ENTRIES
                ]:
                    tx.audit(kind, "kim", {"incident": id_, "rule": base.key, "model": base.model, "state": "open"})


@pytest.mark.slow
def test_lists_and_incidents_are_shown_in_a_tenth_of_a_second(site: Site) -> None:
    site.model()
    first = site.incident("ScoreShift", [site.evidence(detail=f"piece {n} " * 12) for n in range(EVIDENCE)])
    crowd(site, first)
    for part in range(EVENTS // 2000):
        site.events(
            {"inputs": {f"f{i}": part + i / 20 for i in range(20)}, "output": {"score": part / 10}} for _ in range(2000)
        )
    for path in (
        "/incidents",
        "/incidents?state=open",
        "/incidents?state=all",
        f"/incidents/{first}",
        "/models/shop-eu",
    ):
        spent = []
        for _ in range(7):
            began = time.process_time()
            answer = site.browse(path)
            spent.append(time.process_time() - began)
            assert answer.status_code == 200 and len(answer.content) < 50_000
        assert statistics.median(spent) < PATIENCE, f"{path}: {sorted(round(s, 3) for s in spent)}"
