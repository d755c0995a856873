"""What deciding may read, taken from the ledger in one snapshot."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from sqlalchemy import Connection, or_, select

from monitor.core.notices.model import OnRecord
from monitor.core.view import View
from monitor.store import rows
from monitor.store.receivers import failing_receivers
from monitor.store.tables import gates, incidents, notices, partitions, rule_states, silences

_REMEMBERED: Final = 24 * 3600.0  # seconds for which a closed incident still matters
_VOID: Final = ("cancelled", "dead")


def load_view(connection: Connection, partition: int, at: float, owns: Callable[[str], bool] | None = None) -> View:
    """The view of `partition` as of daemon time `at`; `owns` says which models are its own (default: all)."""
    desk_seq = connection.execute(select(partitions.c.desk_seq).where(partitions.c.partition == partition)).scalar()
    mattering = or_(incidents.c.state != "closed", incidents.c.closed_at >= at - _REMEMBERED)
    known = [rows.incident_from(row) for row in connection.execute(select(incidents).where(mattering)).mappings()]
    states = [rows.state_from(row) for row in connection.execute(select(rule_states)).mappings()]
    view = View(partition=partition, desk_seq=desk_seq or 0)
    view.incidents = {x.id: x for x in known if owns is None or owns(x.model)}
    view.rule_states = {x.key: x for x in states if owns is None or owns(x.model)}
    view.gates = {row["scope"]: rows.gate_from(row) for row in connection.execute(select(gates)).mappings()}
    in_time = select(silences).where(silences.c.ends_at > at).order_by(silences.c.starts_at, silences.c.id)
    view.silences = tuple(rows.silence_from(row) for row in connection.execute(in_time).mappings())
    view.failing = frozenset(failing_receivers(connection))
    recorded = connection.execute(
        select(notices.c.incident, notices.c.key, notices.c.created_at, notices.c.state)
        .join(incidents, incidents.c.id == notices.c.incident)
        .where(mattering)
    )
    for incident, key, created_at, state in recorded:
        if incident in view.incidents:
            view.recorded.setdefault(incident, {})[key] = OnRecord(created_at, void=state in _VOID)
    return view
