"""`overloop routes`, run as a person would."""

from __future__ import annotations

import json

import pytest
import typer
from typer.testing import CliRunner

from monitor.cli import routes
from monitor.cli.context import Shared

FILE = """
[receivers.anna]
url_env = "A"
[receivers.chief]
url_env = "C"
[[routes]]
matchers = ['severity=~"critical|high"']
policy = "oncall"
group_wait = "30s"
continue = true
[[routes]]
receivers = ["chief"]
match = {"labels.team" = "risk"}
mute_time_intervals = ["nights"]
[time_intervals.nights]
zone = "Europe/Berlin"
hours = ["22:00-06:00"]
[policies.oncall]
steps = [{receivers = ["schedule:primary"], wait = "5m"}, {receivers = ["chief"]}]
[schedules.primary]
zone = "Europe/Berlin"
[[schedules.primary.rotations]]
receivers = ["anna"]
starts = "2026-01-05T09:00"
"""
NIGHT = "2026-11-24T22:00:00Z"


@pytest.fixture
def overloop(tmp_path, monkeypatch):
    monkeypatch.delenv("OVERLOOP_NOTIFY", raising=False)
    monkeypatch.delenv("OVERLOOP_CONFIG", raising=False)
    (tmp_path / "overloop.toml").write_text(FILE)
    app = typer.Typer()

    @app.callback()
    def root(context: typer.Context) -> None:
        context.obj = Shared(tmp_path, None)

    app.add_typer(routes.app, name="routes")
    return lambda *words: CliRunner().invoke(app, ["routes", *words])


def test_an_incident_names_whom_it_would_call_and_when(overloop):
    result = overloop("test", "severity=high", "labels.team=risk", "--at", NIGHT, "-o", "json")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == [
        {"receiver": "anna", "when": "after 30 seconds"},
        {"receiver": "chief", "when": "after 5.5 minutes, step 2, while nobody has acted"},
        {
            "receiver": "chief",
            "when": "after 5 seconds; not yet: The route is mute until 2026-11-25 05:00:00 UTC by the time interval "
            '"nights".',
        },
    ]


def test_who_was_not_expected_is_an_exit_code(overloop):
    assert overloop("test", "severity=high", "--expect", "chief,anna", "--at", NIGHT).exit_code == 0
    result = overloop("test", "severity=low", "--expect", "anna")
    assert (result.exit_code, result.stderr) == (1, "Expected were anna; it would be none.\n")
    assert "nobody would be told" in result.stdout


def test_the_routes_are_shown_with_who_is_on_call(overloop):
    shown = overloop("show", "--at", NIGHT)
    assert shown.exit_code == 0
    assert 'severity=~"critical|high"' in shown.stdout and "policy oncall" in shown.stdout
    assert "On call in primary: anna, at least until 2026-11-30 08:00:00 UTC." in shown.stdout
    assert json.loads(overloop("show", "-o", "json").stdout)["on_call"] == {"primary": "anna"}


@pytest.mark.parametrize(
    ("words", "said"),
    [(("test", "sevrity=high"), "is no NAME=TEXT"), (("test", "severity=hihg"), "is no severity"),
     (("test", "model=x", "--at", "noon"), "--at:")],
)  # fmt: skip
def test_what_cannot_be_asked_is_refused(overloop, words, said):
    result = overloop(*words)
    assert result.exit_code == 2 and said in result.stderr
