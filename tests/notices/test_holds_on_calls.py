"""What holds back a call to one receiver that was decided on before: looked at anew whenever it is tried."""

from __future__ import annotations

from dataclasses import replace

from deciding import T0, an_incident

from monitor.core.notices.holds import call_held
from monitor.core.notices.model import Maintenance, Policy, Receiver, Route

OPEN = an_incident()
ONCALL = Receiver("oncall")
WINDOW = Maintenance((), "a move", T0 + 10, T0 + 20)
POLICY = Policy(receivers=(ONCALL,), routes=(Route(receivers=("oncall",)),), maintenance=(WINDOW,))


def test_a_window_that_began_meanwhile_holds_the_call_until_its_end() -> None:
    assert call_held("oncall", OPEN, POLICY, {}, T0) is None
    hold = call_held("oncall", OPEN, POLICY, {}, T0 + 15)
    assert hold is not None and hold.until == T0 + 20 and "a move" in hold.why
    assert call_held("oncall", OPEN, POLICY, {}, T0 + 20) is None


def test_other_incidents_and_no_window_hold_nothing() -> None:
    of_others = replace(WINDOW, matchers=(("model", "=", "another"),))
    assert call_held("oncall", OPEN, replace(POLICY, maintenance=(of_others,)), {}, T0 + 15) is None
    assert call_held("oncall", OPEN, replace(POLICY, maintenance=()), {}, T0 + 15) is None
