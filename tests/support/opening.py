"""What a daemon finds when it opens a home: its own opening code, one part after the other, without its processes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from power_cut import Promise
from sqlalchemy import select

from monitor.app.home import Home, make
from monitor.app.prepare import prepare
from monitor.clock import Clock
from monitor.runtime.books import Shelf
from monitor.runtime.catchup import catch_up
from monitor.runtime.evidence import open_signer, signed_by
from monitor.runtime.pump import Pump
from monitor.settings import Settings, load
from monitor.settings.parts import model_options, parameters, rule_folders, spool_options
from monitor.settings.telling import policy
from monitor.spool import Spool
from monitor.store.database import Database
from monitor.store.snapshots import Snapshots
from monitor.store.tables import incidents, notices
from monitor.store.trail import keep_checkpoint
from monitor.store.verify import verify

MOST_TURNS = 200


@dataclass(slots=True)
class Opened:
    """`behind` are sentences about a spool that is older than the ledger; `lost` what the bank could not bring back."""

    ids: Counter[str]
    observed: int
    acknowledged: set[str]
    pages: dict[str, str]  # state of each notice, by its key
    incidents: set[str]
    of: dict[str, str]  # the incident of each notice
    audit: int
    behind: list[str]
    lost: tuple[str, ...]


def opened(path: Path, rules: Path) -> Opened:
    """Open the home, and observe what waits. Raises what the daemon would not start with."""
    settings = load({"home": path, "rules": (rules,)}, {})
    home = make(settings.home)
    prepare(home, settings)
    clock = Clock(home.path)
    with home.database() as database:
        behind = catch_up(database, home.spool, settings.partitions, clock.now())
        with Spool.open(home.spool, settings.partitions, spool_options(settings)) as spool:
            pump = _observe(home, settings, spool, clock)
            ids = Counter(json.loads(line)["id"] for r in spool.read(0, 0, 10**9) for line in r.payload.split(b"\n"))
        _sign(home, database, clock.now())
        with database.read() as connection:
            states = {row.id: row.state for row in connection.execute(select(incidents))}
            owed = connection.execute(select(notices)).all()
            audit = verify(connection, None, signed_by(home.path)).code
    return Opened(
        ids=ids,
        observed=pump.totals.get("observed", 0),
        acknowledged={id_ for id_, state in states.items() if state == "acknowledged"},
        pages={row.key: row.state for row in owed},
        incidents=set(states),
        of={row.key: row.incident for row in owed},
        audit=audit,
        behind=behind,
        lost=pump.losses,
    )


def _sign(home: Home, database: Database, at: float) -> None:
    """As the engine does within ten seconds: with the key that signed before, if any did."""
    with database.read() as connection:
        signer = open_signer(home.path, connection)
    with database.write(at) as tx:
        keep_checkpoint(tx, signer.sign)


def _observe(home: Home, settings: Settings, spool: Spool, clock: Clock) -> Pump:
    shelf = Shelf(rule_folders(settings), parameters(settings), model_options(settings), settings.partitions)
    database = home.database()
    books, snapshots = partial(shelf.resolve, database), Snapshots(home.snapshots / "0")
    pump = Pump(database, spool, snapshots, clock, books, policy(settings, {}))
    for _ in range(MOST_TURNS):
        if not pump.turn():
            break
    database.close()
    return pump


def broken(found: Opened, owed: Sequence[Promise]) -> list[str]:
    """What was promised and is not there, in sentences."""
    said: list[str] = []
    for promise in owed:
        if promise.kind == "events" and (gone := [id_ for id_ in promise.what if not found.ids[id_]]):
            said.append(f"The events {gone} were answered in line {promise.line} and are gone.")
        if promise.kind == "acknowledged" and not set(promise.what) <= found.acknowledged:
            said.append(f"{promise.what} was acknowledged in line {promise.line} and no longer is.")
        if promise.kind == "page" and found.of.get(promise.what[0]) not in found.incidents:
            said.append(f"The page {promise.what} left in line {promise.line} and the ledger knows nothing of it.")
    said += [f"The event {id_} is there {times} times." for id_, times in found.ids.items() if times > 1]
    if found.observed != found.ids.total():
        said.append(f"{found.observed} events are observed of {found.ids.total()} in the spool.")
    if found.audit != 0:
        said.append(f"`audit verify` answers {found.audit}.")
    return [*said, *found.behind, *found.lost]
