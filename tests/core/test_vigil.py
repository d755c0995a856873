"""When the alarm about a daemon is raised, raised again, and over."""

from __future__ import annotations

from deciding import HOUR, T0

from monitor.core.vigil import AGAIN, Vigil, why_unwell


def kinds(vigil: Vigil, looks: str, every: float = 60.0) -> list[str | None]:
    """`.` is a look that found all well, `x` one that did not."""
    found = [vigil.looked(None if one == "." else "It is down.", T0 + n * every) for n, one in enumerate(looks)]
    return [None if alarm is None else alarm.kind for alarm in found]


def test_one_look_that_fails_is_none_and_two_in_a_row_are_one_alarm() -> None:
    assert kinds(Vigil("a"), "..x.x.xx") == [None] * 7 + ["quiet"]
    assert kinds(Vigil("a"), "xxxxx.....") == [None, "quiet", None, None, None, "back", None, None, None, None]


def test_what_stays_quiet_is_told_again_after_hours() -> None:
    found = kinds(Vigil("a"), "x" * 12, HOUR)
    assert found[1] == "quiet" and [n for n, kind in enumerate(found) if kind == "still quiet"] == [5, 9]
    assert AGAIN == 4 * HOUR


def test_the_alarm_says_why_and_since_when_and_its_end_how_long() -> None:
    vigil = Vigil("host:8420")
    vigil.looked("It is down.", T0)
    alarm = vigil.looked("It cannot be reached.", T0 + 60.0)
    assert alarm is not None and alarm.title == "Overloop at host:8420 is quiet"
    assert alarm.body.startswith("It cannot be reached. It has been so since 2027-01-15 08:00:00 UTC.")
    back = vigil.looked(None, T0 + 600.0)
    assert back is not None and "after 10 minutes" in back.body


def test_an_engine_that_answers_is_unwell_while_it_waits_or_nothing_goes_round() -> None:
    assert why_unwell({"waiting": "events"}, None, 180.0) is None
    assert why_unwell({"waiting": ""}, 60.0, 180.0) is None
    assert "waits for the ledger" in (why_unwell({"waiting": "ledger"}, 1.0, 180.0) or "")
    assert "no event has gone round since 10 minutes" in (why_unwell({"waiting": ""}, 600.0, 180.0) or "")
