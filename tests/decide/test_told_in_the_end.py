"""Whatever comes and goes, whoever acts and whatever receivers do: in the end everybody knows how things stand."""

from __future__ import annotations

from dataclasses import dataclass, replace

from deciding import DAY, HOUR, MINUTE, POLICY, T0, a_book, a_level, a_rule
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.core.changes import Changes, Silence
from monitor.core.decide import decide, sweep
from monitor.core.findings import Observation
from monitor.core.incidents import actions
from monitor.core.incidents.casework import Casework
from monitor.core.incidents.model import Incident
from monitor.core.notices.keys import PAGES
from monitor.core.notices.last_look import still_owed
from monitor.core.notices.model import Kept, Notice, NoticeState, OnRecord
from monitor.core.view import View

RULE = a_rule()
BOOK = a_book(RULE)
UNDER_WAY = ("pending", "retry")


@dataclass
class Heard:
    """One message that arrived, and how its incident stood when it was sent."""

    notice: Notice
    incident: Incident


class Life:
    """A level rule, its incidents, a person, silences, and a courier without a ledger."""

    def __init__(self) -> None:
        self.view, self.at, self.seq = View(0), T0, 0
        self.known: dict[str, Incident] = {}
        self.outbox: dict[str, Kept] = {}
        self.arrived: dict[str, list[Heard]] = {"phone": [], "mail": []}

    def take(self, changes: Changes) -> None:
        self.view.absorb(changes)
        self.known |= changes.incidents
        self.outbox |= {notice.key: Kept(notice, "pending") for notice in changes.notices}

    def look(self, holds: str) -> None:
        self.seq += 1
        level = a_level(RULE, holds, self.at)
        self.take(decide(self.view, BOOK, POLICY, Observation(levels=[level]), 0, self.seq, self.at))

    def pass_time(self, seconds: float) -> None:
        self.at += seconds
        self.view.forget_closed(self.at - DAY)
        self.take(sweep(self.view, BOOK, POLICY, self.at))

    def act(self, what: str) -> None:
        for incident in list(self.view.incidents.values())[-1:]:
            work = Casework(self.view, POLICY, BOOK, self.at)
            {"acknowledge": actions.acknowledge, "release": actions.release, "close": actions.close}[what](
                work, incident, "kim"
            )
            self.take(work.finish())

    def silence(self, seconds: float) -> None:
        self.view.silences = (Silence("s", (("model", "=", "fraud-eu"),), self.at, self.at + seconds, "kim", "x"),)

    def deliver(self, outcomes: dict[str, NoticeState]) -> None:
        """One pass of the courier, the oldest first; a page that is refused is tried again, other messages are not."""
        for key, kept in sorted(self.outbox.items(), key=lambda item: (item[1].notice.due_at, item[0])):
            notice = kept.notice
            if kept.state not in UNDER_WAY or notice.due_at > self.at:
                continue
            same = [k for k in self.outbox.values() if k is not kept and k.notice.incident == notice.incident]
            others = [k for k in same if k.notice.target == notice.target]
            incident = self.known[notice.incident]
            withheld = still_owed(notice, incident, self.view.silences, self.at, others)
            if withheld is None:
                self._attempt(kept, incident, outcomes[notice.target])
            elif withheld.until is None:
                self._settle(key, "cancelled")
            else:
                self.outbox[key] = replace(kept, notice=replace(notice, due_at=withheld.until))

    def _attempt(self, kept: Kept, incident: Incident, outcome: NoticeState) -> None:
        if outcome == "dead" and kept.notice.reason in PAGES:
            outcome = "retry"
        if outcome == "delivered":
            self.arrived[kept.notice.target].append(Heard(kept.notice, incident))
        self._settle(kept.notice.key, outcome)

    def _settle(self, key: str, state: NoticeState) -> None:
        kept = self.outbox[key]
        self.outbox[key] = replace(kept, state=state)
        recorded = self.view.recorded.get(kept.notice.incident, {})
        if state in ("cancelled", "dead") and key in recorded:
            recorded[key] = OnRecord(recorded[key].at, void=True)


OUTCOMES = st.sampled_from(["delivered", "retry", "dead"])
STEPS = st.one_of(
    st.tuples(st.just("look"), st.sampled_from("yyynnn?")),
    st.tuples(st.just("pass_time"), st.sampled_from([1.0, 4.0, 6.0, 30.0, 2 * MINUTE, 6 * MINUTE, HOUR, 9 * HOUR])),
    st.tuples(st.just("act"), st.sampled_from(["acknowledge", "release", "close"])),
    st.tuples(st.just("silence"), st.sampled_from([10.0, HOUR])),
    st.tuples(st.just("deliver"), st.fixed_dictionaries({"phone": OUTCOMES, "mail": OUTCOMES})),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(STEPS, max_size=40))
def test_everybody_who_was_called_knows_in_the_end_how_things_stand(steps: list[tuple[str, object]]) -> None:
    life = Life()
    for name, argument in steps:
        getattr(life, name)(argument)
    for _ in range(20):  # all receivers work again, and nothing happens for two hours
        life.pass_time(6 * MINUTE)
        life.deliver({"phone": "delivered", "mail": "delivered"})
    for incident in life.view.incidents.values():
        for target, messages in life.arrived.items():
            heard = [message for message in messages if message.notice.incident == incident.id]
            given_up = {
                kept.notice.occurrence
                for kept in life.outbox.values()
                if kept.state == "dead" and (kept.notice.incident, kept.notice.target) == (incident.id, target)
            }
            _check(incident, target, heard, given_up)
    left = [kept for kept in life.outbox.values() if kept.state in UNDER_WAY and kept.notice.due_at <= life.at]
    assert left == []


def _check(incident: Incident, target: str, heard: list[Heard], given_up: set[int]) -> None:
    """`given_up`: occurrences of which the receiver refused the news, which only a person's work makes worth a retry."""
    calls = [message for message in heard if message.notice.reason in PAGES]
    if incident.state == "open":
        assert calls, "a page was lost"
        assert calls[-1] is heard[-1] and calls[-1].incident.occurrence == incident.occurrence
    elif not calls:
        assert heard == [], "news of something that nobody was called about"
    elif target == "phone" and incident.occurrence not in given_up:
        assert heard[-1].incident.state == incident.state
