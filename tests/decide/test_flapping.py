"""What comes and goes all the time: told, but not each time, and in the end as it stands."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable

import pytest
from deciding import HOUR, POLICY, T0, a_book, a_level, a_rule

from monitor.core.changes import Changes
from monitor.core.decide import decide, sweep
from monitor.core.findings import Observation
from monitor.core.incidents.model import Incident
from monitor.core.notices.model import Notice
from monitor.core.view import View

RULE = a_rule()
BOOK = a_book(RULE)


class Flapper:
    """One level rule, looked at twice a second, with the desk's deadlines after each look."""

    def __init__(self) -> None:
        self.view, self.seq, self.sent = View(0), 0, list[Notice]()
        self.untold: list[str] = []

    def run(self, seconds: float, holds: Callable[[float], bool], start: float = 0.0) -> None:
        for step in range(int(seconds * 2)):
            at = T0 + start + step * 0.5
            level = a_level(RULE, "y" if holds(start + step * 0.5) else "n", at)
            self.seq += 1
            self._take(decide(self.view, BOOK, POLICY, Observation(levels=[level]), 0, self.seq, at))
            self._take(sweep(self.view, BOOK, POLICY, at))

    def _take(self, changes: Changes) -> None:
        self.view.absorb(changes)
        self.sent += changes.notices
        self.untold += [entry.body["why"] for entry in changes.entries if entry.kind == "no_notice"]

    @property
    def incident(self) -> Incident:
        (incident,) = self.view.incidents.values()
        return incident

    def to(self, target: str) -> list[tuple[str, float]]:
        return [(n.reason, n.created_at - T0) for n in self.sent if n.target == target]


def test_a_condition_that_is_gone_for_half_a_second_every_five_is_told() -> None:
    flapper = Flapper()
    flapper.run(60, lambda at: at % 5 < 4.5)
    assert flapper.to("phone")[:2] == [("again", 5.0), ("recovered", 9.5)]
    assert flapper.to("mail") == [("again", 5.0)]


@pytest.mark.parametrize(("period", "on"), [(20, 10), (5, 4.5), (60, 59), (400, 200)])
def test_an_hour_of_coming_and_going_is_at_most_a_pair_of_messages_every_five_minutes(period: int, on: float) -> None:
    flapper = Flapper()
    flapper.run(HOUR, lambda at: at % period < on)
    phone = flapper.to("phone")
    assert 8 <= Counter(reason for reason, _ in phone)["recovered"] <= 12
    assert len(phone) <= 24 and len(flapper.to("mail")) <= 12
    called = [at for reason, at in phone if reason != "recovered"]
    assert all(later - earlier >= 300 for earlier, later in itertools.pairwise(called))
    turns = [reason == "recovered" for reason, _ in phone]
    assert turns == [False, True] * (len(turns) // 2) + [False] * (len(turns) % 2), "never the same twice in a row"


@pytest.mark.parametrize("ends_open", [True, False])
@pytest.mark.parametrize("flaps", range(1, 24, 3))
def test_the_last_state_is_told_in_the_end_wherever_the_flapping_stops(flaps: int, ends_open: bool) -> None:
    flapper = Flapper()
    flapper.run(flaps * 20.0, lambda at: at % 20 < 10)
    flapper.run(400, lambda at: ends_open, start=flaps * 20.0)
    assert flapper.incident.state == ("open" if ends_open else "recovered")
    last = flapper.to("phone")[-1][0]
    assert (last == "recovered") is not ends_open
    heard = max(n.occurrence for n in flapper.sent if n.target == "phone")
    assert not ends_open or heard == flapper.incident.occurrence


def test_a_blip_an_hour_that_is_over_before_anybody_is_called_stays_untold() -> None:
    flapper = Flapper()
    for hour in range(4):
        flapper.run(10, lambda at, began=hour * HOUR: at - began < 2.0, start=hour * HOUR)  # type: ignore[misc]
    assert flapper.sent == [] and flapper.incident.occurrence == 4
    assert len(flapper.untold) == 4 and "less than the 5 seconds" in flapper.untold[-1]


def test_why_a_coming_back_was_not_told_is_on_record() -> None:
    flapper = Flapper()
    flapper.run(60, lambda at: at % 20 < 10)
    assert len(flapper.untold) == 2
    assert all("A call had gone out at" in why and "at most every 5 minutes" in why for why in flapper.untold)
