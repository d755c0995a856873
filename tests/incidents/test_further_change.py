"""A latching detector that finds something on: its people hear of it once they have heard nothing for a day."""

from __future__ import annotations

from dataclasses import replace

import pytest
from deciding import DAY, T0, an_incident

from monitor.core.incidents.effects import FURTHER_AFTER, WORSEN_EVERY, Facts, is_worse

FURTHER = Facts(severity="high", effect=1.0, further=True)


@pytest.mark.parametrize("state", ["open", "acknowledged"])
def test_a_further_change_a_day_after_people_heard_is_news_and_before_it_is_not(state: str) -> None:
    incident = an_incident(state=state, severity="high", opened_at=T0, changed_at=T0, effect=1.0)
    assert not is_worse(incident, FURTHER, T0 + FURTHER_AFTER - 1)
    assert is_worse(incident, FURTHER, T0 + FURTHER_AFTER)
    assert FURTHER_AFTER == DAY


def test_only_what_a_latching_detector_finds_on_is_a_further_change() -> None:
    incident = an_incident(severity="high", opened_at=T0, changed_at=T0, effect=1.0)
    assert not is_worse(incident, replace(FURTHER, further=False), T0 + 3 * DAY)


def test_the_day_counts_from_what_people_heard_last() -> None:
    incident = an_incident(severity="high", opened_at=T0, changed_at=T0, worsened_at=T0 + DAY, effect=1.0)
    assert not is_worse(incident, FURTHER, T0 + DAY + FURTHER_AFTER - 1)
    assert is_worse(incident, FURTHER, T0 + DAY + FURTHER_AFTER)


def test_an_acknowledgement_is_no_news_and_does_not_put_it_off() -> None:
    """Who has looked once is told of what changes further a day after the opening, not after their look."""
    incident = an_incident(state="acknowledged", severity="high", opened_at=T0, changed_at=T0 + DAY - 60, effect=1.0)
    assert is_worse(incident, FURTHER, T0 + FURTHER_AFTER)


def test_a_reopened_incident_has_told_its_people_when_it_opened_again() -> None:
    incident = an_incident(state="open", severity="high", opened_at=T0, changed_at=T0 + 3 * DAY, effect=1.0)
    assert not is_worse(incident, FURTHER, T0 + 3 * DAY + FURTHER_AFTER - 1)
    assert is_worse(incident, FURTHER, T0 + 3 * DAY + FURTHER_AFTER)


def test_nothing_worsens_twice_in_half_an_hour() -> None:
    incident = an_incident(severity="medium", opened_at=T0, changed_at=T0, worsened_at=T0 + DAY)
    assert not is_worse(incident, FURTHER, T0 + DAY + WORSEN_EVERY - 1)
    assert is_worse(incident, FURTHER, T0 + DAY + WORSEN_EVERY)  # its severity rose
