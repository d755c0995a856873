"""Why nobody was called about an occurrence that is over."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from monitor.core.changes import Silence
from monitor.core.incidents.model import Incident
from monitor.core.incidents.silences import silencing
from monitor.core.incidents.words import clock_text, duration_text
from monitor.core.notices.heard import hearings
from monitor.core.notices.holds import NOTHING_AROUND, Around, held_back, muted
from monitor.core.notices.model import OnRecord, Policy
from monitor.core.notices.plan import NOTHING, WAITING
from monitor.core.notices.routes import listeners


def why_untold(
    incident: Incident,
    policy: Policy,
    silences: Iterable[Silence],
    at: float,
    labels: Mapping[str, str],
    recorded: Mapping[str, OnRecord] = NOTHING,
    around: Around = NOTHING_AROUND,
) -> str:
    """A sentence; `incident` is as it was while it stood open."""
    if not policy.receivers:
        return "No receiver is set up, so nobody could be told."
    called = listeners(incident, policy, labels, at)
    if not called:
        return f"No route leads an incident of severity {incident.severity} of {incident.key} to a receiver."
    silence = silencing(incident, silences, at)
    if silence is not None:
        return f"It was silenced by {silence.created_by}: {silence.reason}"
    hold = held_back(incident, policy, labels, at, around) or muted(called[0].route, policy, at)
    if hold is not None:
        return hold.why
    last = max((heard.fired_at for heard in hearings(recorded, incident.occurrence).values()), default=0.0)
    if at < last + policy.again_interval:
        return (
            f"A call had gone out at {clock_text(last)}, and what goes away and comes back is told at most every "
            f"{duration_text(policy.again_interval)}."
        )
    stood = at - incident.changed_at
    wait = min(listener.wait for listener in called)
    if stood >= wait or incident.opening not in WAITING:
        return "It was over before the desk had come round to calling anybody."
    return (
        f"It stood open for {duration_text(round(stood, 1))}, less than the {duration_text(wait)} "
        "that an incident waits before anybody is called."
    )
