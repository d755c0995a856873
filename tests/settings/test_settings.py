"""Settings: where they come from, which wins, and what a person is told of a mistake."""

from __future__ import annotations

import json
import pickle
import textwrap
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from monitor.core.notices.model import Policy, Receiver, Route
from monitor.core.rules.model import ModelOptions
from monitor.settings import Settings, SettingsError, load
from monitor.settings.parts import model_options, parameters, remarks, rule_folders, shipped, spool_options
from monitor.settings.place import line_of
from monitor.settings.secrets import addresses, every_address, heartbeat_address, hook_keys
from monitor.settings.telling import policy

FULL = """\
listen = "0.0.0.0:9000"
public_url = "https://overloop.example.org/"
rules = ["packs"]
partitions = 2
batch_window = "10ms"

[spool]
retain_days = 3
retain_gb = 1.5

[models."fraud-*"]
time = "event"
lateness = "2m"
false_pages = "1/month"
truth = "positives_only"
matures = "60d"
params = { card-fraud = { p99_ms = 800 } }

[models."*"]
false_pages = "2/day"

[receivers.oncall]
url_env = "ONCALL_URL"

[receivers.mail]
url_credential = "receiver_mail"
send_resolved = false

[[routes]]
match = { model = "fraud-*" }
min_severity = "high"
receivers = ["oncall"]
continue = true

[[routes]]
receivers = ["mail"]

[notices]
group_wait = "10s"
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "packs").mkdir()
    return tmp_path


def write(home: Path, text: str) -> Path:
    (home / "overloop.toml").write_text(textwrap.dedent(text))
    return home / "overloop.toml"


def read(home: Path, text: str, **environ: str) -> Settings:
    write(home, text)
    return load({"home": home}, environ)


def complaint(home: Path, text: str, **environ: str) -> str:
    with pytest.raises(SettingsError) as caught:
        read(home, text, **environ)
    return str(caught.value).replace(str(home), "HOME")


# -- where they come from -----------------------------------------------------------------------------------------


def test_it_runs_without_a_file(home: Path) -> None:
    settings = load({"home": home}, {})
    assert (settings.host, settings.port, settings.url) == ("127.0.0.1", 8420, "http://127.0.0.1:8420")
    assert policy(settings, {}) == Policy()
    assert remarks(settings) == []


def test_every_key_of_the_file_is_read(home: Path) -> None:
    settings = read(home, FULL)
    assert settings.listen == "0.0.0.0:9000"
    assert settings.url == "https://overloop.example.org"
    assert settings.rules == (home / "packs",)
    assert settings.spool.retain_days == 3
    assert settings.models["fraud-*"].lateness == 120.0
    assert settings.notices.group_wait == 10.0


def test_flags_win_over_the_environment_and_that_over_the_file(home: Path) -> None:
    write(home, 'listen = "127.0.0.1:1"\npartitions = 3\n[spool]\nretain_days = 1\nretain_gb = 1\n')
    environ = {
        "OVERLOOP_HOME": "/elsewhere",
        "OVERLOOP_LISTEN": "127.0.0.1:2",
        "OVERLOOP_SPOOL_RETAIN_DAYS": "2",
        "OVERLOOP_SINGLE": "true",
    }
    settings = load({"home": home, "listen": "127.0.0.1:3", "rules": None}, environ)
    assert settings.listen == "127.0.0.1:3"
    assert (settings.spool.retain_days, settings.spool.retain_gb) == (2.0, 1.0)
    assert settings.single
    assert settings.partitions == 3 and settings.batch_window == 0.05
    assert settings.home == home


def test_the_home_is_found_in_the_order_that_is_promised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environ = {"XDG_STATE_HOME": f"{tmp_path}/xdg", "STATE_DIRECTORY": f"{tmp_path}/unit:{tmp_path}/other"}
    monkeypatch.setenv("HOME", "/home/somebody")
    assert load({}, {}).home == Path("/home/somebody/.local/state/overloop")
    assert load({}, {"XDG_STATE_HOME": f"{tmp_path}/xdg"}).home == tmp_path / "xdg/overloop"
    assert load({}, environ).home == tmp_path / "unit"
    assert load({}, {**environ, "OVERLOOP_HOME": f"{tmp_path}/named"}).home == tmp_path / "named"
    assert load({"home": tmp_path / "flag"}, {**environ, "OVERLOOP_HOME": "/x"}).home == tmp_path / "flag"


def test_a_named_file_may_set_the_home_and_must_exist(home: Path) -> None:
    file = home / "mine.toml"
    file.write_text('home = "state"\n')
    assert load({"config": file}, {}).home == home / "state"
    assert load({}, {"OVERLOOP_CONFIG": str(file)}).home == home / "state"
    with pytest.raises(SettingsError, match=r"nowhere\.toml cannot be read: No such file or directory\.$"):
        load({"config": home / "nowhere.toml"}, {})


def test_a_file_in_the_home_cannot_move_the_home(home: Path) -> None:
    assert complaint(home, 'home = "/elsewhere"\n') == (
        "HOME/overloop.toml, line 1: home cannot be set by a file that was itself found in the home folder."
    )


def test_systemd_names_the_folder_of_the_file(home: Path) -> None:
    (home / "etc").mkdir()
    write(home / "etc", "partitions = 4\n")
    assert load({"home": home}, {"CONFIGURATION_DIRECTORY": f"{home}/etc"}).partitions == 4


def test_a_search_path_of_rules_comes_from_the_environment(home: Path) -> None:
    settings = load({"home": home}, {"OVERLOOP_RULES": f"{home}:{home}/packs"})
    assert rule_folders(settings) == (home, home / "packs")


def test_without_rules_the_shipped_packs_are_used(home: Path) -> None:
    assert rule_folders(load({"home": home}, {})) == (shipped("_rules", "rules"),)
    assert shipped("core", "nowhere").name == "core"
    assert shipped("_no_such", "rules") == Path(__file__).resolve().parents[2] / "rules"


def test_a_child_process_reads_the_same_settings(home: Path) -> None:
    settings = read(home, FULL)
    assert Settings.from_json(json.loads(json.dumps(settings.to_json()))) == settings


def test_each_engine_has_a_partition_at_least(home: Path) -> None:
    assert read(home, "engines = 3\n").partitions == 3
    assert read(home, "engines = 2\npartitions = 5\n").partitions == 5
    assert load({"home": home}, {"OVERLOOP_ENGINES": "4"}).partitions == 5  # the file's own number stands


# -- mistakes -----------------------------------------------------------------------------------------------------

DURATION = 'a duration such as "90s", "10m", "2h" or "7d"'
MISTAKES = {
    "partitons = 2": "line 1: partitons is not a setting. Did you mean partitions?",
    "colour = 1": "line 1: colour is not a setting. There are: home, listen, public_url, tls_cert, tls_key, rules, "
    "gates_file, single, engines, partitions, batch_window, spool, models, receivers, routes, time_intervals, "
    "inhibit_rules, "
    "maintenance, policies, "
    "schedules, notices, heartbeat, digest, log.",
    "engines = 0": "line 1: engines must be a whole number from 1 to 16; it is 0.",
    "partitions = 2\nengines = 3": "line 2: engines = 3 with partitions = 2: an engine without a partition would watch "
    "nothing. Lower engines.",
    "engines = 2\nsingle = true": "line 1: engines = 2 contradicts single, which runs everything in one process.",
    "partitions = 0": "line 1: partitions must be a whole number from 1 to 64; it is 0.",
    'partitions = "2"': 'line 1: partitions must be a whole number from 1 to 64; it is "2".',
    "batch_window = '11s'": 'line 1: batch_window must be a duration of at most 10s, such as "50ms"; it is "11s".',
    "single = 1": "line 1: single must be true or false; it is 1.",
    'listen = "8420"': 'line 1: listen must be HOST:PORT, such as "127.0.0.1:8420" or "[::1]:8420"; it is "8420".',
    'public_url = "https://joe:hunter2@x.org"': "line 1: public_url must be an address such as "
    '"https://overloop.example.org"; it is "https://***@x.org".',
    "rules = 'x'": 'line 1: rules must be a list; it is "x".',
    "rules = ['nowhere']": "line 1: rules names HOME/nowhere, which is not a folder.",
    "tls_cert = 'overloop.toml'": "line 1: tls_key is missing: TLS needs both tls_cert and tls_key.",
    "tls_key = 'a'\ntls_cert = 'b'": "line 2: tls_cert names HOME/b, which cannot be read: No such file or directory.",
    "spool = 7": "line 1: spool must be a table; it is 7.",
    "\n[spool]\n# mine\nretain_dayz = 7": "line 4: spool.retain_dayz is not a setting. Did you mean spool.retain_days?",
    "[spool]\nretain_gb = inf": "line 2: spool.retain_gb must be a number above 0 and up to 100000; it is Infinity.",
    "[spool]\nretain_days = 0": "line 2: spool.retain_days must be a number above 0 and up to 100000; it is 0.",
    '[models."f-*"]\ntime = "evnt"': 'line 2: models."f-*".time must be one of "recorded", "event"; it is "evnt".',
    "[models.a]\nlateness = 5": f"line 2: models.a.lateness must be {DURATION}; it is 5.",
    '[models.a]\nfalse_pages = "1/fortnight"': "line 2: models.a.false_pages must be a rate such as "
    '"1/week", "2/day" or "1/month"; it is "1/fortnight".',
    "[receivers.a]": "line 1: receivers.a needs either url_env or url_credential: where its address is to be found.",
    '[receivers.a]\nurl_env="A"\nurl_credential="a"': "line 1: receivers.a needs either url_env or url_credential: "
    "where its address is to be found.",
    '[receivers.a]\nurl_env = "A"\n[[routes]]\nreceivers = ["a"]\n[[routes]]\nreceivers = ["b"]': "line 6: "
    'routes[1].receivers: There is no receiver called "b". There are: a.',
    '[receivers.a]\nurl_env = "A"\n[[routes]]\nreceivers = ["a"]\nmatch = { modle = "x" }': "line 5: "
    'routes[0].match: There is no matcher "modle". Did you mean "model"?',
    '[receivers.a]\nurl_env = "A"\n[[routes]]\nreceivers = ["a"]\nmin_severity = "hihg"': "line 5: "
    'routes[0].min_severity must be one of "critical", "high", "medium", "low"; it is "hihg".',
    '[receivers.a]\ntype = "pagerduty"\nurl_env = "A"': "line 1: receivers.a needs either key_env or key_credential: "
    "where its routing key is to be found.",
    '[receivers.a]\ntype = "pagerduty"\nkey_env = "K"\nurl_env = "A"': "line 1: receivers.a is of the type pagerduty, "
    "whose address is known: take url_env away.",
    '[receivers.a]\ntype = "pagerdutty"\nkey_env = "K"': 'line 2: receivers.a.type must be one of "apprise", '
    '"pagerduty", "alertmanager", "webhook"; it is "pagerdutty".',
    '[receivers.a]\ntype = "webhook"\nkey_env = "K"': "line 1: receivers.a needs either url_env or url_credential: "
    "where its address is to be found.",
    '[receivers.a]\ntype = "webhook"\nurl_env = "A"\nkey_env = "K"\nkey_credential = "k"': "line 1: receivers.a has both "
    "key_env and key_credential: name one place of the key it signs with.",
    '[receivers.a]\ntype = "alertmanager"\nurl_env = "A"\nkey_env = "K"': "line 1: receivers.a is of the type "
    "alertmanager, which takes no key: all is in its address.",
    '[receivers.a]\nurl_env = "A"\npublic_only = true': "line 1: receivers.a.public_only: Apprise connects by itself, so "
    "this is for the other types only.",
    '[receivers.a]\ntype = "pagerduty"\nkey_env = "K"\n[digest]\nreceivers = ["a"]': "line 5: digest.receivers: "
    '"a" is a pagerduty, and a digest is no alert.',
    '[receivers.a]\nurl_env = "A"\nfallback = "a"': "line 3: receivers.a.fallback: There is no other receiver called "
    '"a". There are none.',
    '[receivers.a]\nurl_env = "A"\nack_links = true': "line 3: receivers.a.ack_links needs public_url: where links lead.",
    'public_url = "https://x"\n[receivers.a]\ntype = "pagerduty"\nkey_env = "K"\nack_links = true': "line 2: "
    "receivers.a.ack_links: a pagerduty shows no text to people, so nobody would see a link.",
    '[receivers.a]\nurl_env = "A"\nhook_env = "H"': "line 1: receivers.a: one of hook_env and hook_credential is for the "
    "type pagerduty.",
    "[[routes]]\nmatch = {}": "line 1: routes[0] needs receivers, a list, or policy, the name of one: else it calls nobody.",
    "[[routes]]\nreceivers = []": "line 1: routes[0] needs receivers, a list, or policy, the name of one: else it calls "
    "nobody.",
    '[notices]\ngroup_wait = "soon"': f'line 2: notices.group_wait must be {DURATION}; it is "soon".',
}


@pytest.mark.parametrize("text", MISTAKES)
def test_a_mistake_is_named_with_its_line_and_what_would_be_right(home: Path, text: str) -> None:
    assert complaint(home, text) == "HOME/overloop.toml, " + MISTAKES[text]


def test_a_file_that_is_no_toml_is_refused_with_its_line(home: Path) -> None:
    assert complaint(home, "listen = \n") == (
        "HOME/overloop.toml is not valid TOML: Invalid value (at line 1, column 10)."
    )
    (home / "overloop.toml").write_bytes(b"\xff")
    with pytest.raises(SettingsError, match=r"overloop\.toml is not UTF-8 text\.$"):
        load({"home": home}, {})


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("OVERLOOP_LISTN", "x", "OVERLOOP_LISTN is not a setting. Did you mean OVERLOOP_LISTEN?"),
        ("OVERLOOP_NOTIFI", "x", "OVERLOOP_NOTIFI is not a setting. Did you mean OVERLOOP_NOTIFY?"),
        (
            "OVERLOOP_PARTITIONS",
            "many",
            'OVERLOOP_PARTITIONS: partitions must be a whole number from 1 to 64; it is "many".',
        ),
        (
            "OVERLOOP_NOTICES_GROUP_WAIT",
            "5",
            f'OVERLOOP_NOTICES_GROUP_WAIT: notices.group_wait must be {DURATION}; it is "5".',
        ),
    ],
)
def test_a_mistake_in_the_environment_names_the_variable(home: Path, variable: str, value: str, expected: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load({"home": home}, {variable: value})
    assert str(caught.value) == expected


@pytest.mark.parametrize("variable", ["OVERLOOP_PORT", "OVERLOOP_SERVICE_HOST", "OVERLOOP_PORT_8420_TCP_ADDR"])
def test_what_kubernetes_puts_into_the_environment_does_no_harm(home: Path, variable: str) -> None:
    assert load({"home": home}, {variable: "tcp://10.0.0.1:8420"}) == load({"home": home}, {})


def test_a_mistake_in_a_flag_names_the_flag(home: Path) -> None:
    with pytest.raises(SettingsError, match=r'^--listen: listen must be HOST:PORT, .* it is "x"\.$'):
        load({"home": home, "listen": "x"}, {})


# -- secrets ------------------------------------------------------------------------------------------------------

TOKEN = "T0K3Nabcdef"


@pytest.mark.parametrize("key", ["url", "key", "url_env", "url_credential", "key_env"])
def test_an_address_in_the_file_is_refused_without_repeating_it(home: Path, key: str) -> None:
    said = complaint(home, f'[receivers.oncall]\n{key} = "slack://{TOKEN}/x"\n')
    assert said.startswith(f"HOME/overloop.toml, line 2: receivers.oncall.{key} ")
    assert "environment variable" in said or "credential" in said
    assert TOKEN not in said


def test_addresses_come_from_the_environment_and_from_credentials(home: Path) -> None:
    (home / "receiver_mail").write_text(f"mailto://{TOKEN}@example.org\n")
    environ = {"ONCALL_URL": f"slack://{TOKEN}", "CREDENTIALS_DIRECTORY": str(home), "OVERLOOP_NOTIFY": "json://x"}
    found = addresses(read(home, FULL), environ)
    assert {name: address.url for name, address in found.items()} == {
        "notify": "json://x",
        "oncall": f"slack://{TOKEN}",
        "mail": f"mailto://{TOKEN}@example.org",
    }
    assert TOKEN not in f"{found!r} {found['mail']}"
    with pytest.raises(TypeError):
        pickle.dumps(found)


def test_secrets_of_webhooks_come_from_there_too(home: Path) -> None:
    settings = read(home, '[receivers.pd]\ntype = "pagerduty"\nkey_env = "K"\nhook_env = "H"\n')
    assert hook_keys(settings, {"K": "k", "H": TOKEN}) == {"pd": TOKEN.encode()}
    assert {s.reveal() for s in every_address(settings, {"K": "k", "H": TOKEN})} == {"k", TOKEN}
    with pytest.raises(SettingsError, match=r"receivers\.pd\.hook_env names the environment variable H, which is not"):
        hook_keys(settings, {})


def test_keys_come_from_the_same_places(home: Path) -> None:
    (home / "pd").write_text(f"{TOKEN}\n")
    text = """
[receivers.pd]
type = "pagerduty"
key_credential = "pd"
region = "eu"
[receivers.hook]
type = "webhook"
url_env = "HOOK"
key_env = "HOOK_KEY"
public_only = true
"""
    environ = {"CREDENTIALS_DIRECTORY": str(home), "HOOK": "https://hook.example.org/x", "HOOK_KEY": f"{TOKEN}2"}
    settings = read(home, text)
    found = addresses(settings, environ)
    assert (found["pd"].url, found["pd"].key) == ("https://events.eu.pagerduty.com", TOKEN)
    assert (found["hook"].key, found["hook"].public_only) == (f"{TOKEN}2", True)
    assert {TOKEN, f"{TOKEN}2", "https://hook.example.org/x"} == {s.reveal() for s in every_address(settings, environ)}
    assert TOKEN not in f"{found}"
    with pytest.raises(SettingsError, match=r"receivers\.hook\.key_env names the environment variable HOOK_KEY"):
        addresses(settings, {**environ, "HOOK_KEY": ""})


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, r"receivers\.oncall\.url_env names the environment variable ONCALL_URL, which is not set\.$"),
        ({"ONCALL_URL": " "}, r"ONCALL_URL, which is not set\.$"),
        ({"ONCALL_URL": "x"}, r"credential receiver_mail, and \$CREDENTIALS_DIRECTORY is not set"),
        (
            {"ONCALL_URL": "x", "CREDENTIALS_DIRECTORY": "/nowhere"},
            r"receivers\.mail\.url_credential names receiver_mail, which cannot be read: No such file or directory\.$",
        ),
    ],
)
def test_an_address_that_is_not_there_is_named(home: Path, environ: dict[str, str], expected: str) -> None:
    with pytest.raises(SettingsError, match=expected):
        addresses(read(home, FULL), environ)


def test_the_heartbeat_has_an_address_or_is_off(home: Path) -> None:
    assert heartbeat_address(load({"home": home}, {}), {}) is None
    settings = read(home, '[heartbeat]\nurl_env = "BEAT"\nevery = "5m"\n')
    found = heartbeat_address(settings, {"BEAT": "https://example.org/x"})
    assert found is not None
    assert (found.reveal(), settings.heartbeat.every) == ("https://example.org/x", 300.0)


# -- what the parts are given -------------------------------------------------------------------------------------


def test_the_policy_holds_receivers_routes_and_times(home: Path) -> None:
    assert policy(read(home, FULL), {}) == Policy(
        receivers=(Receiver("oncall"), Receiver("mail", send_resolved=False)),
        routes=(
            Route(("oncall",), {"model": "fraud-*"}, "high", continue_=True),
            Route(("mail",)),
        ),
        group_wait=10.0,
        repeat_interval=4 * 3600.0,
        acknowledge_for=8 * 3600.0,
    )
    again = policy(read(home, '[notices]\nagain_interval = "10m"\n'), {})
    assert again.again_interval == 600.0 and Policy().again_interval == 300.0


def test_one_variable_is_enough_to_be_told(home: Path) -> None:
    told = policy(load({"home": home}, {}), {"OVERLOOP_NOTIFY": "ntfy://x"})
    assert told.receivers == (Receiver("notify"),)
    assert told.routes == (Route(("notify",), min_severity="medium", continue_=True),)


def test_the_variable_is_told_beside_the_routes_of_the_file(home: Path) -> None:
    told = policy(read(home, FULL), {"OVERLOOP_NOTIFY": "ntfy://x"})
    assert [receiver.name for receiver in told.receivers] == ["notify", "oncall", "mail"]
    assert told.routes[0] == Route(("notify",), min_severity="medium", continue_=True)


def test_a_receiver_of_that_name_is_refused_beside_the_variable(home: Path) -> None:
    said = complaint(home, '[receivers.notify]\nurl_env = "A"\n', OVERLOOP_NOTIFY="ntfy://x")
    assert said == (
        'HOME/overloop.toml, line 1: "notify" is the receiver that $OVERLOOP_NOTIFY makes: call this one otherwise.'
    )


def test_receivers_without_routes_are_told_of_everything(home: Path) -> None:
    told = policy(read(home, '[receivers.a]\nurl_env = "A"\n[receivers.b]\nurl_env = "B"\n'), {})
    assert told.routes == (Route(("a", "b")),)


def test_models_become_options_of_the_book(home: Path) -> None:
    settings = read(home, FULL)
    assert model_options(settings) == (
        ("fraud-*", ModelOptions("event", 120.0, 7 / 30, "positives_only", 60 * 86_400.0)),
        ("*", ModelOptions(false_pages=14.0)),
    )
    assert parameters(settings) == (("fraud-*", {"card-fraud": {"p99_ms": 800}}),)


def test_the_defaults_here_are_the_defaults_of_the_parts(home: Path) -> None:
    from monitor.spool import Options

    settings = read(home, "[models.a]\n")
    assert model_options(settings) == (("a", ModelOptions()),)
    assert spool_options(settings) == Options()


def test_remarks_say_what_is_allowed_and_unwise(home: Path) -> None:
    receivers = '[receivers.a]\nurl_env = "A"\n[receivers.b]\nurl_env = "B"\n[[routes]]\nreceivers = ["a"]\n'
    said = remarks(read(home, 'listen = "0.0.0.0:8420"\n' + receivers))
    assert [sentence.split(":")[0][:20] for sentence in said] == [
        "The daemon listens o",
        "Links in messages le",
        "No route leads to th",
    ]
    assert "without TLS" in said[0]


@pytest.mark.parametrize(
    ("listen", "loopback"),
    [("127.0.0.1:1", True), ("[::1]:1", True), ("localhost:1", True), ("[::]:1", False), ("10.0.0.1:1", False)],
)
def test_what_counts_as_loopback(home: Path, listen: str, loopback: bool) -> None:
    assert load({"home": home, "listen": listen}, {}).loopback is loopback


# -- parsers ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "seconds"), [("5s", 5.0), ("1h30m", 5400.0), ("1.5d", 129_600.0), ("250ms", 0.25), ("2w", 1_209_600.0)]
)
def test_durations_are_read(home: Path, text: str, seconds: float) -> None:
    assert read(home, f'[notices]\ngroup_wait = "{text}"\n').notices.group_wait == seconds


SCALARS = st.one_of(st.text(max_size=20), st.integers(), st.floats(), st.booleans(), st.none())
NAMES = st.one_of(st.text(max_size=12), st.sampled_from(["spool", "models", "routes", "receivers", "rules", "listen"]))
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=3)),
    max_leaves=12,
)


@given(st.dictionaries(NAMES, VALUES, max_size=4))
def test_whatever_a_file_says_is_read_or_refused_with_a_sentence(values: dict[str, Any]) -> None:
    from monitor.settings.read import Reader

    def refuse(key: Any, sentence: str) -> Any:
        raise SettingsError(sentence)

    try:
        assert isinstance(Reader(refuse).table(Settings, values), Settings)
    except SettingsError as refused:
        assert str(refused).endswith((".", "?"))


@example("[#]", [])
@given(
    st.text(alphabet=st.sampled_from("ab.[]\"'=# \n0"), max_size=60),
    st.lists(st.sampled_from(["a", "b", 0]), max_size=3),
)
def test_looking_for_a_line_never_fails(text: str, key: list[str | int]) -> None:
    line = line_of(text, key)
    assert line is None or 1 <= line <= len(text.splitlines())


def test_lines_are_found_through_quotes_dots_and_arrays() -> None:
    text = 'a.b = 1\n["x.y"]\n"k" = 2\n[[r]]\nn = 1\n[[r]]\nn = 2\n[r.sub]\nz = 3\n'
    assert line_of(text, ("a", "b")) == 1
    assert line_of(text, ("x.y", "k")) == 3
    assert line_of(text, ("r", 1, "n")) == 7
    assert line_of(text, ("r", 0)) == 4
    assert line_of(text, ("r", 1, "missing")) == 6
    assert line_of(text, ("nowhere",)) is None
