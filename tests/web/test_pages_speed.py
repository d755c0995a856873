"""Pages stay quick on a ledger that has seen a lot: 10,000 incidents (1,000 open), 50,000 audit entries, 500 pieces of evidence."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest

from monitor.core.changes import Changes
from monitor.store.queries import load_incident

Site = Any  # of conftest
INCIDENTS, EVIDENCE, ENTRIES, EVENTS = 10_000, 500, 5, 20_000
PATIENCE = 0.2  # seconds of this process's own time; half of it on a free core
FULL, TIMES, GRAIN = (
    60,
    3.0,
    0.01,
)  # incidents that fill a page; how much dearer a page may become, and seconds beside it


def crowd(site: Site, first: str) -> None:
    """Incidents beside the first, most of them closed, each with evidence and audit entries."""
    with site.database.read() as connection:
        base = load_incident(connection, first)
    assert base is not None
    for part in range(20):
        changes = Changes()
        for n in range(part * INCIDENTS // 20, (part + 1) * INCIDENTS // 20):
            id_, state = f"{n:08d}-0000-5000-8000-000000000000", "open" if n % 10 == 0 else "closed"
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


def cost(site: Site, path: str) -> float:
    """Seconds of this process's own time for a page, the least of some: whatever else runs on the machine."""
    spent = []
    for _ in range(7):
        began = time.process_time()
        answer = site.browse(path)
        spent.append(time.process_time() - began)
        assert answer.status_code == 200 and len(answer.content) < 50_000
    return min(spent)


@pytest.mark.slow
def test_lists_and_incidents_are_shown_at_once_however_much_there_is(site: Site) -> None:
    """What a page costs is what stands on it: a full page of a small ledger is the measure."""
    site.model()
    evidence = [site.evidence(detail=f"piece {n} " * 12) for n in range(EVIDENCE)]
    for _ in range(FULL):
        first = site.incident("ScoreShift", evidence[:80])
    events = [{"inputs": {f"f{i}": i / 20 for i in range(20)}, "output": {"score": n / 10}} for n in range(2000)]
    for _ in range(3):
        site.events(events)  # as many as a chart looks at
    paths = ("/incidents", "/incidents?state=open", "/incidents?state=all", f"/incidents/{first}", "/models/shop-eu")
    small = {path: cost(site, path) for path in paths}
    with site.database.write(site.clock.at) as tx:
        tx.apply(Changes(evidence=[(first, row) for row in evidence[80:]]))
    crowd(site, first)
    for _ in range(EVENTS // 2000):
        site.events(events)
    for path in paths:
        large = cost(site, path)
        assert large < PATIENCE, f"{path}: {large:.3f} s"
        assert large < TIMES * small[path] + GRAIN, (
            f"{path}: {large:.3f} s, and {small[path]:.3f} s when there was little"
        )
