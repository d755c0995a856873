"""An engine's life on a ledger of any database, as a process that can be killed: events in, a page out, then the sums.

Run as `python ledger_life.py FOLDER LEDGER HOOK`. Made of the program's own parts, with a courier of little patience.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

from sqlalchemy import select

from monitor.clock import Clock
from monitor.core.notices.model import Policy, Receiver, Route
from monitor.core.notices.render import Links
from monitor.delivery.address import Address
from monitor.delivery.webhook import WebhookSender
from monitor.runtime.books import Shelf
from monitor.runtime.courier import Courier, Terms
from monitor.runtime.pump import Pump
from monitor.spool import Post, Spool, id_hash
from monitor.store import outbox, schema
from monitor.store.database import Database
from monitor.store.snapshots import Snapshots
from monitor.store.tables import incidents, notices
from monitor.store.verify import verify

PACK = """
pack: tests
models: ["*"]
rules:
- alert: Low
  count: {of: output.confidence < 0.2, above: 3, over: 10m}
  severity: high
"""
POLICY = Policy((Receiver("hook"),), (Route(("hook",)),), group_wait=0.0)
TERMS = Terms(deadline=2.0, lease=4.0, doubt=2.0, drain=1.0)
EVENTS = [{"id": f"e{i}", "model": "m", "output": {"confidence": 0.9 if i < 40 else 0.1}} for i in range(45)]
PATIENCE = 60.0  # seconds


def main(folder: Path, ledger: str, hook: str) -> dict[str, Any]:
    """All of it; a second run goes on where the first was killed."""
    clock = Clock(folder)
    if schema.revision(ledger) is None:
        schema.upgrade(ledger)
    schema.check(ledger)
    with Database.open(ledger, folder) as database, Spool.open(folder / "spool") as spool:
        _accept(spool, clock)
        shelf = _rules(folder, database, clock)
        snapshots = Snapshots(folder / "snapshots" / "0")
        pump = Pump(database, spool, snapshots, clock, lambda digest: shelf.resolve(database, digest), POLICY)
        while pump.turn():
            pass
        _deliver(database, clock, WebhookSender("hook", Address("webhook", hook)))
        with database.read() as connection:
            told = connection.execute(select(notices.c.state, notices.c.reason)).all()
            found = connection.execute(select(incidents.c.rule, incidents.c.model, incidents.c.state)).all()
            audit = verify(connection).code
        totals = {"accepted": spool.totals(0).accepted, "observed": pump.totals["observed"]}
    return {**totals, "notices": list(map(list, told)), "incidents": list(map(list, found)), "audit": audit}


def _accept(spool: Spool, clock: Clock) -> None:
    """The spool knows what it has: events of an earlier life are duplicates."""
    lines, hashes = [json.dumps(e).encode() for e in EVENTS], [id_hash("m", str(e["id"])) for e in EVENTS]
    spool.append(0, [Post("events", lines, hashes)], clock.now())


def _rules(folder: Path, database: Database, clock: Clock) -> Shelf:
    pack = folder / "rules" / "tests" / "pack.yaml"
    pack.parent.mkdir(parents=True, exist_ok=True)
    pack.write_text(PACK)
    shelf = Shelf((folder / "rules",))
    shelf.reload(database, clock.now(), "machine")
    return shelf


def _deliver(database: Database, clock: Clock, sender: WebhookSender) -> None:
    """The courier's loop until everything owed is delivered."""
    woken, stop = threading.Event(), threading.Event()
    courier = Courier(database, {"hook": sender}, clock, Links(""), TERMS, wake=woken.set)
    running = threading.Thread(target=courier.run, args=(stop, woken))
    running.start()
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        with database.read() as connection:
            if set(outbox.counts(connection)) == {"delivered"}:
                break
        time.sleep(0.05)
    stop.set()
    woken.set()
    running.join()


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])))
