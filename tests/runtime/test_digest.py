from __future__ import annotations

from pathlib import Path

from deciding import T0, an_incident

from monitor.core.changes import Changes
from monitor.core.findings import Evidence
from monitor.delivery.protocol import Outgoing, Result
from monitor.runtime.digest import DAY, compose, read_day, send_digest
from monitor.store import queries, schema
from monitor.store.database import Database


class Recorder:
    """A sender that keeps what it is given."""

    label = "recorder"

    def __init__(self, outcome: str = "delivered") -> None:
        self.outcome, self.sent = outcome, list[Outgoing]()

    def send(self, message: Outgoing, deadline: float) -> Result:
        self.sent.append(message)
        return Result(self.outcome, problem="" if self.outcome == "delivered" else "It was refused.")  # type: ignore[arg-type]


def a_ledger(home: Path) -> Database:
    schema.upgrade(home / "ledger.db", home)
    database = Database.open(home / "ledger.db", home)
    evidence = Evidence("inputs.x", "", "mean", 2.0, 1.0, 2.0, None, 50, T0)
    changes = Changes()
    for number, (severity, opened) in enumerate([("low", T0), ("critical", T0), ("low", T0 - 3 * DAY)]):
        id_ = f"00000000-0000-5000-8000-{number:012d}"
        changes.incidents[id_] = an_incident(
            id=id_, severity=severity, opened_at=opened, changed_at=opened, summary=f"Number {number}.\x1b[31m @here"
        )
        changes.evidence.append((id_, evidence))
    with database.write(T0) as tx:
        tx.apply(changes)
    return database


def test_the_digest_names_low_severities_of_the_last_day_first_and_cleans_them(tmp_path: Path) -> None:
    database = a_ledger(tmp_path)
    with database.read() as connection:
        day, head = read_day(connection, T0 + 60), queries.head(connection)
    body = compose(day, "https://console", head).body
    assert "2 incidents moved" in body and "3 open now" in body
    assert body.index("Number 0") < body.index("Number 1") and "Number 2" not in body
    assert "\x1b" not in body and "@here" not in body
    assert f"audit {head[0]} {head[1].hex()[:8]}" in body and "https://console/incidents?state=all" in body


def test_a_receiver_that_fails_or_is_unknown_does_not_stop_the_others(tmp_path: Path) -> None:
    database = a_ledger(tmp_path)
    good, bad = Recorder(), Recorder("retry")
    taken = send_digest(database, {"bad": bad, "good": good}, ["bad", "missing", "good"], "https://console", T0)
    assert taken == 1 and len(good.sent) == 1 and len(bad.sent) == 1
