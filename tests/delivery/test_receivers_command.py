"""`overloop receivers`, run as a person would."""

from __future__ import annotations

import json

import pytest
import typer
from typer.testing import CliRunner

from monitor.cli import receivers
from monitor.cli.context import Shared


@pytest.fixture
def overloop(tmp_path, monkeypatch):
    """Runs the noun alone, under a root like the real one, in an environment without receivers."""
    for name in ("OVERLOOP_NOTIFY", "OVERLOOP_CONFIG", "CREDENTIALS_DIRECTORY", "CONFIGURATION_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)
    app = typer.Typer()

    @app.callback()
    def root(context: typer.Context) -> None:
        context.obj = Shared(tmp_path, None)

    app.add_typer(receivers.app, name="receivers")
    return lambda *words, **env: CliRunner().invoke(app, ["receivers", *words], env=env)


def test_a_test_message_is_sent_and_says_what_it_is(overloop, target):
    result = overloop("test", "notify", OVERLOOP_NOTIFY=target.url)
    assert result.exit_code == 0 and "accepted the test message" in result.stdout
    (body,) = map(json.loads, target.bodies)
    assert "test message" in body["message"] and "Nothing is wrong" in body["message"]
    assert "planted" not in result.output


@pytest.mark.parametrize(
    ("how", "words"),
    [("401", "(authError)"), ("503", "tried again"), ("404", "mend its address"), ("429", "(rateLimited)")],
)
def test_a_failed_test_says_why_and_what_a_real_message_would_do(overloop, target, how, words):
    target.script = [how]
    result = overloop("test", "notify", OVERLOOP_NOTIFY=target.url)
    assert result.exit_code == 1 and words in result.stderr and "planted" not in result.output


def test_a_receiver_from_the_file_is_tested_by_its_name(overloop, target, tmp_path):
    (tmp_path / "overloop.toml").write_text('[receivers.oncall]\nurl_env = "ONCALL"\n')
    result = overloop("test", "oncall", "-o", "json", ONCALL=target.url)
    assert result.exit_code == 0
    told = json.loads(result.stdout)
    assert told.pop("address").startswith(f"json://127.0.0.1:{target.port} (")
    assert told == {
        "receiver": "oncall",
        "outcome": "delivered",
        "reason": None,
        "problem": None,
        "through": "this command",
    }


def test_a_name_that_is_not_there_is_told_with_those_that_are(overloop):
    result = overloop("test", "oncal", OVERLOOP_NOTIFY="json://127.0.0.1:1/x")
    assert result.exit_code == 2
    assert result.stderr.strip() == 'There is no receiver "oncal". There are: notify.'


def test_a_typo_in_the_scheme_is_told_without_the_secret(overloop):
    result = overloop("test", "notify", OVERLOOP_NOTIFY="slak://planted/planted/planted")
    assert result.exit_code == 1 and 'did you mean "slack://"?' in result.stderr and "planted" not in result.output


def test_the_list_shows_masked_addresses_and_what_is_wrong(overloop, tmp_path):
    (tmp_path / "overloop.toml").write_text('[receivers.a]\nurl_env = "A"\n[receivers.b]\nurl_env = "B"\n')
    env = {"A": "json://127.0.0.1:8080/planted", "B": "slak://planted"}
    result = overloop("list", "-o", "json", **env)
    first, second = json.loads(result.stdout)
    assert result.exit_code == 1 and "planted" not in result.output
    assert first["address"].startswith("json://127.0.0.1:8080 (") and first["problem"] is None
    assert second["address"] is None and "slack://" in second["problem"]
    fine = overloop("list", OVERLOOP_NOTIFY="json://127.0.0.1:8080/planted", **{**env, "B": env["A"]})
    assert fine.exit_code == 0 and "notify" in fine.stdout and "planted" not in fine.output


def test_without_receivers_the_list_says_how_to_make_one(overloop):
    result = overloop("list")
    assert result.exit_code == 0 and "OVERLOOP_NOTIFY" in result.stdout


def test_settings_that_cannot_be_read_are_told(overloop, tmp_path):
    (tmp_path / "overloop.toml").write_text('[receivers.a]\nurl_env = "MISSING"\n')
    result = overloop("list")
    assert result.exit_code == 2 and "MISSING" in result.stderr
