"""The 36 cells, walked from the table itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, get_args

import pytest
from deciding import DAY, HOUR, MINUTE, T0, an_incident

from monitor.core.audit.kinds import KINDS
from monitor.core.incidents.machine import GUARDS, TABLE, Effect, Facts, Trigger, step
from monitor.core.incidents.model import STATES, Incident, State

NOW = T0 + 2 * HOUR


@dataclass(frozen=True)
class Scene:
    """What design section 5 says of one line of one cell."""

    trigger: Trigger
    state: State
    to: State
    reason: str
    before: dict[str, Any] = field(default_factory=dict)
    facts: Facts = field(default_factory=Facts)
    after: dict[str, Any] = field(default_factory=dict)
    does: tuple[Effect, ...] = ()
    refused: str | None = None

    def incident(self) -> Incident:
        base: dict[str, Any] = {"state": self.state}
        if self.state == "acknowledged":
            base |= {"acknowledged_by": "kim", "acknowledged_at": T0, "owner": "kim", "seen": True}
        if self.state == "recovered":
            base |= {"cleared_at": T0}
        if self.state == "closed":
            base |= {"closed_at": T0, "closed_by": "kim"}
        return an_incident(**{**base, **self.before})


UP = Facts(severity="critical", effect=1.6)
DOUBLED = Facts(severity="high", effect=3.0)
KIM, LEE = Facts(actor="kim", until=NOW + HOUR), Facts(actor="lee", until=NOW + HOUR)
BY_MACHINE = {"closed_by": "machine", "closed_at": NOW - 29 * MINUTE, "occurrence": 2}
SAME = {"revision": 1}

SCENES = [
    # fired: same with evidence; an acknowledged one pages nobody; recovered comes back; closed may come back
    Scene("fired", "open", "open", "still_firing", facts=Facts(effect=2.0), after={"effect": 2.0, "revision": 1}),
    Scene(
        "fired",
        "acknowledged",
        "acknowledged",
        "still_firing",
        before={"cleared_at": T0 + 1},
        after={"cleared_at": None, "revision": 1, "acknowledged_by": "kim"},
        does=("evidence",),
    ),
    Scene(
        "fired",
        "recovered",
        "open",
        "again",
        facts=Facts(effect=1.1),
        after={"opening": "again", "occurrence": 2, "cleared_at": None, "effect": 1.1, "revision": 2},
        does=("evidence", "notice"),
    ),
    Scene(
        "fired",
        "recovered",
        "open",
        "flapping",
        before={"changed_at": NOW - 29 * MINUTE},
        after={"opening": "flapping", "occurrence": 2, "cleared_at": None, "revision": 2},
        does=("evidence", "notice"),
    ),
    Scene("fired", "recovered", "open", "again", before={"changed_at": NOW - 30 * MINUTE}),
    Scene(
        "fired",
        "closed",
        "open",
        "again",
        before=BY_MACHINE,
        after={"closed_at": None, "closed_by": None, "occurrence": 3, "changed_at": NOW},
    ),
    Scene("fired", "closed", "closed", "new_episode", after=SAME, does=("new",)),
    Scene(
        "fired",
        "closed",
        "closed",
        "new_episode",
        before={**BY_MACHINE, "closed_at": NOW - 30 * MINUTE},
        does=("new",),
    ),
    Scene(
        "fired",
        "closed",
        "closed",
        "new_episode",
        before=BY_MACHINE,
        facts=Facts(newer="another"),
        does=("new",),
    ),
    # worsened: severity up, or effect at least doubled since acknowledged; at most every 30 minutes
    Scene(
        "worsened",
        "open",
        "open",
        "worsened",
        facts=UP,
        after={"severity": "critical", "worsened_at": NOW, "revision": 2, "occurrence": 1},
        does=("evidence", "worse", "notice"),
    ),
    Scene("worsened", "open", "open", "worsened", facts=DOUBLED, after={"revision": 1, "worsened_at": NOW}),
    Scene("worsened", "open", "open", "still_firing", facts=Facts(effect=2.9), does=("evidence",)),
    Scene(
        "worsened",
        "open",
        "open",
        "still_firing",
        before={"worsened_at": NOW - 29 * MINUTE},
        facts=UP,
        after={"severity": "high"},
    ),
    Scene(
        "worsened",
        "open",
        "open",
        "still_firing",
        before={"changed_at": NOW - 29 * MINUTE},
        facts=DOUBLED,
        after={"worsened_at": None},
    ),
    Scene(
        "worsened",
        "acknowledged",
        "open",
        "worsened",
        facts=UP,
        after={"opening": "worsened", "acknowledged_by": None, "severity": "critical", "revision": 2},
    ),
    Scene(
        "worsened",
        "acknowledged",
        "acknowledged",
        "worsened",
        facts=DOUBLED,
        after={"worsened_at": NOW, "acknowledged_by": "kim", "revision": 1},
        does=("evidence", "worse", "notice"),
    ),
    Scene("worsened", "acknowledged", "acknowledged", "still_firing", facts=Facts(effect=1.6)),
    Scene("worsened", "recovered", "open", "worsened", facts=UP, after={"opening": "worsened"}),
    Scene("worsened", "recovered", "open", "again", facts=Facts(effect=1.6), after={"opening": "again"}),
    Scene(
        "worsened",
        "recovered",
        "open",
        "flapping",
        before={"changed_at": NOW - MINUTE},
        facts=Facts(effect=1.6),
        after={"opening": "flapping"},
    ),
    Scene("worsened", "closed", "open", "again", before=BY_MACHINE, facts=UP),
    Scene("worsened", "closed", "closed", "new_episode", facts=UP, does=("new",)),
    # cleared: recovered with a notice; only a person clears what latches
    Scene(
        "cleared",
        "open",
        "recovered",
        "recovered",
        after={"cleared_at": NOW, "changed_at": NOW, "revision": 2},
        does=("cleared", "notice"),
    ),
    Scene("cleared", "open", "open", "latched", before={"latches": True}, after={"cleared_at": NOW, "revision": 1}),
    Scene("cleared", "open", "open", "nothing_to_do", before={"latches": True, "cleared_at": T0}),
    Scene("cleared", "acknowledged", "acknowledged", "cleared", after={"cleared_at": NOW, "revision": 1}),
    Scene("cleared", "acknowledged", "acknowledged", "nothing_to_do", before={"cleared_at": T0}),
    Scene("cleared", "recovered", "recovered", "nothing_to_do", after={"cleared_at": T0}),
    Scene("cleared", "closed", "closed", "nothing_to_do"),
    # quiet: 30 minutes after it cleared; 7 days in recovered
    Scene("quiet", "open", "open", "nothing_to_do", before={"cleared_at": T0}),
    Scene(
        "quiet",
        "acknowledged",
        "closed",
        "quiet",
        before={"cleared_at": NOW - 30 * MINUTE},
        after={"closed_by": "machine", "closed_at": NOW, "acknowledged_by": "kim"},
        does=("ask_verdict", "notice"),
    ),
    Scene("quiet", "acknowledged", "acknowledged", "nothing_to_do", before={"cleared_at": NOW - 29 * MINUTE}),
    Scene("quiet", "acknowledged", "acknowledged", "nothing_to_do"),
    Scene("quiet", "acknowledged", "acknowledged", "nothing_to_do", before={"cleared_at": T0, "gate_held": True}),
    Scene("quiet", "acknowledged", "acknowledged", "nothing_to_do", before={"cleared_at": T0, "latches": True}),
    Scene(
        "quiet",
        "recovered",
        "closed",
        "nobody_looked",
        before={"changed_at": NOW - 7 * DAY},
        after={"closed_by": "machine"},
        does=("unseen",),
    ),
    Scene("quiet", "recovered", "closed", "quiet", before={"changed_at": NOW - 7 * DAY, "seen": True}, does=()),
    Scene("quiet", "recovered", "recovered", "nothing_to_do", before={"changed_at": NOW - 6.9 * DAY}),
    Scene("quiet", "closed", "closed", "nothing_to_do"),
    # watch ended: marked, a person closes; recovered closes
    Scene(
        "watch_ended",
        "open",
        "open",
        "watch_ended",
        facts=Facts(why="The rule is gone."),
        after={"orphaned": "The rule is gone.", "revision": 1},
        does=("orphaned", "notice"),
    ),
    Scene("watch_ended", "open", "open", "nothing_to_do", before={"orphaned": "Gone."}, facts=Facts(why="Other.")),
    Scene("watch_ended", "acknowledged", "acknowledged", "watch_ended", facts=Facts(why="Gone.")),
    Scene("watch_ended", "acknowledged", "acknowledged", "nothing_to_do", before={"orphaned": "Gone."}),
    Scene("watch_ended", "recovered", "closed", "watch_ended", facts=Facts(why="Gone."), after={"orphaned": "Gone."}),
    Scene("watch_ended", "closed", "closed", "nothing_to_do"),
    # acknowledged by a person
    Scene(
        "acknowledged",
        "open",
        "acknowledged",
        "acknowledged",
        facts=KIM,
        after={
            "acknowledged_by": "kim",
            "acknowledged_at": NOW,
            "acknowledged_until": NOW + HOUR,
            "owner": "kim",
            "seen": True,
        },
        does=("held", "seen", "notice"),
    ),
    Scene(
        "acknowledged",
        "open",
        "acknowledged",
        "acknowledged",
        before={"owner": "lee"},
        facts=KIM,
        after={"owner": "lee"},
    ),
    Scene(
        "acknowledged",
        "acknowledged",
        "acknowledged",
        "acknowledged_before",
        facts=LEE,
        after={"owner": "kim", "acknowledged_by": "kim", "revision": 1},
    ),
    Scene(
        "acknowledged",
        "acknowledged",
        "acknowledged",
        "acknowledged_before",
        facts=Facts(actor="lee", take=True, until=NOW + HOUR),
        after={"owner": "lee", "acknowledged_by": "lee", "revision": 2},
    ),
    Scene(
        "acknowledged",
        "recovered",
        "closed",
        "seen_after_recovery",
        facts=KIM,
        after={"closed_by": "kim", "seen": True, "acknowledged_by": "kim"},
    ),
    Scene("acknowledged", "closed", "closed", "closed_already", facts=KIM, refused="was closed by kim"),
    # an acknowledgement that was released or ran out
    Scene("released", "open", "open", "nothing_to_do"),
    Scene(
        "released",
        "acknowledged",
        "open",
        "released",
        facts=Facts(actor="kim"),
        after={"opening": "expired", "acknowledged_by": None, "occurrence": 2, "changed_at": NOW, "owner": "kim"},
        does=("notice",),
    ),
    Scene("released", "acknowledged", "open", "expired", facts=Facts(expired=True), after={"opening": "expired"}),
    Scene("released", "recovered", "recovered", "nothing_to_do"),
    Scene("released", "closed", "closed", "nothing_to_do"),
    # closed by a person: always; detectors of a latched one are to watch again
    Scene(
        "closed",
        "open",
        "closed",
        "closed",
        before={"latches": True},
        facts=KIM,
        after={"closed_by": "kim", "closed_at": NOW, "seen": True},
        does=("rearm", "mute", "ask_verdict", "notice", "seen"),
    ),
    Scene("closed", "acknowledged", "closed", "closed", facts=LEE, does=("mute", "ask_verdict", "notice", "seen")),
    Scene("closed", "recovered", "closed", "closed", facts=KIM, after={"closed_by": "kim"}),
    Scene("closed", "closed", "closed", "closed_before", facts=LEE, after={"closed_by": "kim", "revision": 1}),
    # reopened by a person
    Scene("reopened", "open", "open", "open_already", facts=KIM, refused="never closed"),
    Scene("reopened", "acknowledged", "acknowledged", "open_already", facts=KIM, refused="never closed"),
    Scene(
        "reopened",
        "recovered",
        "open",
        "reopened",
        facts=KIM,
        after={"opening": "reopened", "cleared_at": None, "occurrence": 2},
        does=("seen", "stands", "notice"),
    ),
    Scene("reopened", "closed", "open", "reopened", facts=KIM, after={"closed_at": None, "closed_by": None}),
    Scene("reopened", "closed", "closed", "newer_open", facts=Facts(actor="kim", newer="another"), refused="another"),
]


@pytest.mark.parametrize("scene", SCENES, ids=lambda s: f"{s.trigger}-{s.state}-{s.reason}")
def test_each_line_of_each_cell_does_what_the_design_says(scene: Scene) -> None:
    before = scene.incident()
    outcome = step(before, scene.trigger, scene.facts, NOW)
    assert (outcome.incident.state, outcome.reason) == (scene.to, scene.reason)
    for name, value in scene.after.items():
        assert getattr(outcome.incident, name) == value, name
    if scene.does:
        assert outcome.effects == scene.does
    if scene.refused is None:
        assert outcome.refusal is None
    else:
        assert outcome.incident == before
        assert outcome.refusal is not None and scene.refused in outcome.refusal
        assert outcome.refusal.endswith(".")


def test_the_table_has_all_36_cells_and_the_scenes_reach_every_line_of_them() -> None:
    triggers = get_args(Trigger)
    assert len(triggers) == 9 and set(TABLE) == set(triggers)
    assert all(set(TABLE[trigger]) == set(STATES) for trigger in triggers)
    assert sum(len(cells) for cells in TABLE.values()) == 36
    lines = {
        (t, s, c.reason, s if c.to in ("same", "refused") else c.to) for t in TABLE for s in STATES for c in TABLE[t][s]
    }
    assert lines == {(scene.trigger, scene.state, scene.reason, scene.to) for scene in SCENES}


def test_every_cell_ends_in_a_line_that_always_holds() -> None:
    for cells in TABLE.values():
        for cell in cells.values():
            assert [case.when for case in cell].index("always") == len(cell) - 1


def test_every_guard_is_used_and_every_entry_is_a_kind_of_the_audit_log() -> None:
    cases = [case for cells in TABLE.values() for cell in cells.values() for case in cell]
    assert {case.when for case in cases} == set(GUARDS)
    assert {case.entry for case in cases if case.entry is not None} <= set(KINDS)
    assert {effect for case in cases for effect in case.does} == set(get_args(Effect))


def test_every_change_of_state_is_written_down() -> None:
    for cells in TABLE.values():
        for state, cell in cells.items():
            for case in cell:
                if case.to not in ("same", "refused", state):
                    assert case.entry is not None, case


def test_whatever_closes_a_latched_incident_arms_its_detectors_again() -> None:
    for cells in TABLE.values():
        for state, cell in cells.items():
            for case in cell:
                if case.to == "closed" and state != "closed":
                    assert "rearm" in case.does, case


def test_an_acknowledgement_by_the_same_person_again_changes_nothing_unless_it_names_a_new_end() -> None:
    held = step(an_incident(), "acknowledged", KIM, NOW).incident
    assert step(held, "acknowledged", Facts(actor="kim"), NOW + 5).incident == held
    longer = step(held, "acknowledged", Facts(actor="kim", until=NOW + DAY), NOW + 5).incident
    assert longer.acknowledged_until == NOW + DAY
    assert longer.revision == held.revision
