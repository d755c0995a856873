"""Routes, intervals, inhibition, maintenance, policies and schedules: read, refused with their place, handed on."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from monitor.core.notices.escalation import Escalation, Step
from monitor.core.notices.intervals import Interval
from monitor.core.notices.model import Inhibition, Maintenance
from monitor.core.notices.schedules import Rotation, Shift
from monitor.settings import Settings, SettingsError, load
from monitor.settings.parts import remarks
from monitor.settings.telling import policy

BERLIN = ZoneInfo("Europe/Berlin")
FULL = """
[receivers.anna]
url_env = "A"
[receivers.ben]
url_env = "B"
[receivers.chief]
url_env = "C"

[[routes]]
matchers = ['severity=~"critical|high"', 'labels.team!="lab"']
policy = "oncall"
group_by = ["model", "labels.team"]
group_wait = "30s"
group_interval = "5m"
repeat_interval = "2h"
mute_time_intervals = ["nights"]
active_time_intervals = ["office"]

[time_intervals.nights]
zone = "Europe/Berlin"
hours = ["22:00-06:00"]
[time_intervals.office]
zone = "UTC"
days = ["mon-fri", "sun"]
dates = ["2026-12-24/2026-12-26", "2027-01-01"]

[[inhibit_rules]]
source_matchers = ['severity="critical"']
target_matchers = ['severity=~"medium|low"']
equal = ["model"]

[[maintenance]]
matchers = ['model="fraud-eu"']
reason = "a move"
zone = "Europe/Berlin"
starts = 2026-12-01T22:00:00
ends = "2026-12-02T02:00"
[[maintenance]]
matchers = ['pack="lab"']
reason = "it trains at night"
during = "nights"

[policies.oncall]
repeat = 2
steps = [{receivers = ["schedule:primary"], wait = "5m"}, {receivers = ["chief"], wait = "15m"}]

[schedules.primary]
zone = "Europe/Berlin"
[[schedules.primary.rotations]]
receivers = ["anna", "ben"]
starts = "2026-01-05T09:00"
shift = "1w"
during = "office"
[[schedules.primary.overrides]]
receiver = "ben"
starts = "2026-12-24T09:00"
ends = "2026-12-25T09:00"
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path


def read(home: Path, text: str) -> Settings:
    (home / "overloop.toml").write_text(text)
    return load({"home": home}, {})


def test_everything_reaches_the_policy(home: Path) -> None:
    settings = read(home, FULL)
    made = policy(settings, {})
    (route,) = made.routes
    assert route.where == (("severity", "=~", "critical|high"), ("labels.team", "!=", "lab"))
    assert (route.escalation, route.group_by, route.receivers) == ("oncall", ("model", "labels.team"), ())
    assert (route.group_wait, route.group_interval, route.repeat_interval) == (30.0, 300.0, 7200.0)
    assert (route.mute, route.active) == (("nights",), ("office",))
    office = Interval(
        ZoneInfo("UTC"),
        frozenset({0, 1, 2, 3, 4, 6}),
        dates=((date(2026, 12, 24), date(2026, 12, 26)), (date(2027, 1, 1), date(2027, 1, 1))),
    )
    assert made.intervals == {"nights": Interval(BERLIN, hours=((1320, 360),)), "office": office}
    assert made.inhibitions == (
        Inhibition((("severity", "=", "critical"),), (("severity", "=~", "medium|low"),), ("model",)),
    )
    start = datetime(2026, 12, 1, 22, tzinfo=BERLIN).timestamp()
    assert made.maintenance == (
        Maintenance((("model", "=", "fraud-eu"),), "a move", start, start + 4 * 3600),
        Maintenance((("pack", "=", "lab"),), "it trains at night", during="nights"),
    )
    steps = (Step(("schedule:primary",), 300.0), Step(("chief",), 900.0))
    assert made.escalations == {"oncall": Escalation("oncall", steps, 2)}
    schedule = made.schedules["primary"]
    assert schedule.rotations == (
        Rotation(("anna", "ben"), datetime.fromisoformat("2026-01-05T09:00"), timedelta(weeks=1), office),
    )
    eve = datetime(2026, 12, 24, 9, tzinfo=BERLIN).timestamp()
    assert schedule.overrides == (Shift("ben", eve, eve + 86_400),)
    assert remarks(settings) == []


def test_they_reach_a_child_process_as_they_are(home: Path) -> None:
    settings = read(home, FULL)
    assert policy(Settings.from_json(settings.to_json()), {}) == policy(settings, {})


A = '[receivers.a]\nurl_env = "A"\n'
ROUTE = A + '[[routes]]\nreceivers = ["a"]\n'
INTERVAL = A + "[time_intervals.n]\n"
MISTAKES = {
    ROUTE
    + "matchers = ['modle=\"x\"']": 'line 5: routes[0].matchers: There is no matcher "modle". Did you mean "model"?',
    ROUTE + 'matchers = ["model"]': "line 5: routes[0].matchers[0] must be a matcher such as ",
    ROUTE + "matchers = ['model=~\"(\"']": "line 5: routes[0].matchers: The pattern '(' of model cannot be used.",
    ROUTE + "matchers = ['severity=\"hihg\"']": 'line 5: routes[0].matchers: There is no severity "hihg". Did you mean',
    ROUTE + 'policy = "x"': 'line 5: routes[0].policy: There is no policy called "x". There are none.',
    ROUTE + 'group_by = ["modle"]': 'line 5: routes[0].group_by: There is no matcher "modle". Did you mean "model"?',
    ROUTE
    + 'mute_time_intervals = ["n"]': 'line 5: routes[0].mute_time_intervals: There is no time interval called "n".',
    A + '[[routes]]\nreceivers = ["schedule:x"]': 'line 4: routes[0].receivers: There is no schedule called "x".',
    INTERVAL: "line 3: time_intervals.n needs zone, an IANA time zone such as ",
    INTERVAL
    + 'zone = "Europe/Berlyn"': 'line 4: time_intervals.n.zone must be an IANA time zone such as "Europe/Berlin"',
    INTERVAL + 'zone = "Europe"': "line 4: time_intervals.n.zone must be an IANA time zone such as ",
    INTERVAL + 'zone = "UTC"\ndays = ["mo-fr"]': "line 5: time_intervals.n.days[0] must be a day or a range of days ",
    INTERVAL
    + 'zone = "UTC"\nhours = ["9-17"]': 'line 5: time_intervals.n.hours[0] must be hours such as "09:00-17:00"',
    INTERVAL + 'zone = "UTC"\nhours = ["25:00-26:00"]': "line 5: time_intervals.n.hours[0] must be hours such as ",
    INTERVAL + 'zone = "UTC"\ndates = ["24.12."]': "line 5: time_intervals.n.dates[0] must be a date such as ",
    A
    + "[[inhibit_rules]]\nsource_matchers = ['rule=\"x\"']": "line 3: inhibit_rules[0] needs target_matchers, a list.",
    A
    + "[[inhibit_rules]]\nsource_matchers = ['a=\"x\"']\ntarget_matchers = ['rule=\"x\"']": "line 4: inhibit_rules[0]."
    'source_matchers: There is no matcher "a".',
    A
    + '[[maintenance]]\nmatchers = [\'rule="x"\']\nreason = "x"': "line 3: maintenance[0] needs zone, starts and ends",
    A
    + '[[maintenance]]\nmatchers = [\'rule="x"\']\nreason = " "\nduring = "n"': "line 5: maintenance[0] needs a reason",
    A + '[[maintenance]]\nmatchers = [\'rule="x"\']\nreason = "x"\nzone = "UTC"\nstarts = "2026-01-02T00:00"\n'
    'ends = "2026-01-01T00:00"': "line 8: maintenance[0] ends at 2026-01-01T00:00, which is not after its start, ",
    A + '[[maintenance]]\nmatchers = [\'rule="x"\']\nreason = "x"\nzone = "UTC"\nstarts = "2026-01-02T00:00Z"\n'
    'ends = "2026-01-03T00:00"': "line 7: maintenance[0].starts must be a time on the clock of its zone",
    A
    + '[policies.p]\nsteps = [{receivers = ["b"]}]': 'line 4: policies.p.steps[0].receivers: There is no receiver called "b"',
    A
    + '[policies.p]\nsteps = [{receivers = ["a"], wait = "0s"}]': "line 4: policies.p.steps[0].wait must be longer than",
    A + "[policies.p]\nsteps = []": "line 4: policies.p.steps must be a list",
    A
    + '[schedules.s]\nzone = "UTC"\n[[schedules.s.rotations]]\nreceivers = ["b"]\nstarts = "2026-01-05T09:00"': "line 6: "
    'schedules.s.rotations[0].receivers: There is no receiver called "b".',
    A + '[schedules.s]\nzone = "UTC"\n[[schedules.s.rotations]]\nreceivers = ["a"]\nstarts = "2026-01-05T09:00"\n'
    'shift = "10m"': "line 8: schedules.s.rotations[0].shift must be an hour or longer.",
}


@pytest.mark.parametrize("text", MISTAKES)
def test_a_mistake_is_named_with_its_line(home: Path, text: str) -> None:
    with pytest.raises(SettingsError) as refused:
        read(home, text)
    assert str(refused.value).removeprefix(f"{home}/overloop.toml, ").startswith(MISTAKES[text])


def test_a_receiver_that_only_stands_in_for_another_is_no_mistake(home: Path) -> None:
    pair = '[receivers.a]\nurl_env = "A"\nfallback = "b"\n[receivers.b]\nurl_env = "B"\n[[routes]]\nreceivers = ["a"]\n'
    assert remarks(read(home, pair)) == []
    assert policy(read(home, pair), {}).receivers[0].fallback == "b"
    assert len(remarks(read(home, pair.replace('fallback = "b"', "")))) == 1
