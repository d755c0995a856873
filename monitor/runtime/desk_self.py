"""What the daemon found about itself becomes incidents, as what any other rule finds: in one transaction."""

from __future__ import annotations

from collections.abc import Sequence

from monitor.core.decide import decide
from monitor.core.findings import Level, Observation
from monitor.core.selfrules import SELF
from monitor.runtime.desk_base import DeskBase
from monitor.store.ledger import bump_desk, load_view, standing


def judge_itself(desk: DeskBase, levels: Sequence[Level], now: float) -> bool:
    """Decide on these levels; answers whether anything was written. Raises LedgerUnavailable.

    Every such writing raises `desk_seq`, so it names the incidents it opens as a step names those of the pump.
    """
    partition, observation, book = desk.partition_of(SELF), Observation(levels=list(levels)), desk.book()

    def owns(model: str) -> bool:
        return desk.partition_of(model) == partition

    with desk.database.read() as connection:
        if standing(connection, partition) is None:
            return False  # no engine has taken it yet, so there is nothing to count by
        view = load_view(connection, partition, now, owns)
    if not decide(view, book, desk.policy, observation, partition, view.desk_seq, now):
        return False
    with desk.database.write(now) as tx:
        view = load_view(tx.connection, partition, now, owns)
        changes = decide(view, book, desk.policy, observation, partition, view.desk_seq, now)
        if not changes:
            return False
        tx.apply(changes, partition)
        bump_desk(tx, partition)
    desk.told()
    return True
