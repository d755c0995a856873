"""`overloop rules` and `overloop check`, on packs that are right, odd and wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from live_daemon import LiveDaemon
from typer.testing import Result

Overloop = Callable[..., Result]
PACK = Path(__file__).with_name("pack") / "shop"


@pytest.fixture
def pack(tmp_path: Path) -> Callable[[str, str], Path]:
    """A pack of this text, with or without tests."""

    def write(text: str, tests: str = "") -> Path:
        folder = tmp_path / "p"
        folder.mkdir()
        (folder / "pack.yaml").write_text(text)
        if tests:
            (folder / "tests.yaml").write_text(tests)
        return folder

    return write


def test_packs_that_are_fine_are_listed_with_their_memory(overloop: Overloop) -> None:
    done = overloop("rules", "check", PACK)
    assert (done.exit_code, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["rule", "severity", "stage", "memory"]
    assert lines[1].split()[:3] == ["shop/NegativeAmounts", "high", "live"]
    assert lines[-1] == "1 pack with 3 rules: 0 errors, 0 warnings."


def test_what_is_wrong_is_shown_with_its_place_and_ends_with_1(overloop: Overloop, pack: Callable[..., Path]) -> None:
    folder = pack('pack: p\nmodels: ["m"]\nrules:\n- alert: A\n  severity: hihg\n  absent: {for: 10m}\n')
    done = overloop("rules", "check", folder)
    assert (done.exit_code, done.stdout) == (1, "")
    assert "p/pack.yaml:5:13: error: `hihg` is no severity." in done.stderr
    assert done.stderr.splitlines()[-1] == "These rules cannot be used."
    found = json.loads(overloop("rules", "check", folder, "-o", "json").stdout)
    assert [(r["line"], r["column"], r["nearest"]) for r in found["remarks"]] == [(5, 13, "high")]


def test_a_rule_that_can_never_trip_ends_with_1(overloop: Overloop, pack: Callable[..., Path]) -> None:
    folder = pack(
        'pack: p\nmodels: ["m"]\nrules:\n- alert: A\n  severity: low\n'
        "  share: {of: inputs.x > 1, above: 100%, over: 10m, min_events: 9}\n"
    )
    done = overloop("rules", "check", folder)
    assert done.exit_code == 1 and "`A` can never trip" in done.stdout
    assert "1 pack with 1 rule: 1 error, 0 warnings." in done.stdout


def test_control_characters_in_a_pack_do_not_reach_the_terminal(overloop: Overloop, pack: Callable[..., Path]) -> None:
    folder = pack('pack: p\nmodels: ["m"]\nrules:\n- alert: "A\\e[31m"\n  severity: low\n  absent: {for: 10m}\n')
    done = overloop("rules", "check", folder)
    assert done.exit_code == 1
    assert all(c.isprintable() or c == "\n" for c in done.output)


def test_tests_that_pass_are_counted(overloop: Overloop) -> None:
    done = overloop("rules", "test", PACK)
    assert (done.exit_code, done.stderr) == (0, "")
    *each, last = done.stdout.splitlines()
    assert len(each) == 3 and all(line.startswith("passed  shop: ") for line in each)
    assert last == "3 tests of 1 pack ran; 0 failed."


def test_a_test_that_fails_says_where_and_what_was_there_instead(overloop: Overloop, pack: Callable[..., Path]) -> None:
    text = PACK.joinpath("pack.yaml").read_text()
    folder = pack(
        text, "pack: shop\ntests:\n- name: n\n  model: shop-eu\n  expect:\n  - {at: 1m, incidents: [{rule: Silent}]}\n"
    )
    done = overloop("rules", "test", folder)
    assert done.exit_code == 1
    assert done.stdout.splitlines()[0] == "FAILED  shop: n"
    assert "tests.yaml:6: at 60 s there should be an incident of shop/Silent on shop-eu in state open." in done.stdout
    found = json.loads(overloop("rules", "test", folder, "-o", "json").stdout)
    assert found[0]["tests"][0]["passed"] is False and found[0]["tests"][0]["failures"][0]["line"] == 6


def test_a_change_that_no_test_notices_is_named(overloop: Overloop) -> None:
    done = overloop("rules", "test", PACK, "--mutate")
    assert done.exit_code == 1
    assert "UNNOTICED  shop/NegativeAmounts: every test still passes with over doubled." in done.stdout
    assert done.stdout.splitlines()[-1].startswith("3 tests of 1 pack ran; 0 failed; of 8 changes ")


def test_a_pack_without_tests_is_told(overloop: Overloop, pack: Callable[..., Path]) -> None:
    done = overloop("rules", "test", pack(PACK.joinpath("pack.yaml").read_text()))
    assert done.exit_code == 1 and "The pack shop has no tests.yaml." in done.stderr


def test_a_rule_is_explained_by_a_part_of_its_name(overloop: Overloop) -> None:
    done = overloop("rules", "explain", "negative", "--rules", PACK)
    assert done.exit_code == 0
    assert done.stdout.startswith("shop/NegativeAmounts (high, shop/pack.yaml line 5)\n")
    assert "Trips when the number of events with `inputs.amount < 0` is above 3 over 10 minutes." in done.stdout
    found = json.loads(overloop("rules", "explain", "shop/Silent", "--rules", PACK, "-o", "json").stdout)
    assert [rule["rule"] for rule in found] == ["shop/Silent"]


def test_a_rule_that_is_not_there_is_told_with_the_nearest(overloop: Overloop) -> None:
    done = overloop("rules", "explain", "NegativAmount", "--rules", PACK)
    assert (done.exit_code, done.stderr) == (
        1,
        "No rule is called 'NegativAmount'. Did you mean shop/NegativeAmounts?\n",
    )
    assert "name the folder of another with --rules." in overloop("rules", "explain", "zzzzzz", "--rules", PACK).stderr


def test_a_rule_is_explained_as_it_stands_on_a_model_beside_the_running_daemon(
    at: Overloop, daemon: LiveDaemon
) -> None:
    daemon.settled()
    done = at("rules", "explain", "AmountShift", "--model", "shop-eu", "--rules", PACK)
    assert done.exit_code == 0, done.output
    assert "stands   It has watched shop-eu since 20" in done.stdout and "1 watching" in done.stdout
    assert "No event of shop-zz has come yet." in at("rules", "explain", "--model", "shop-zz", "--rules", PACK).stdout
    found = json.loads(
        at("rules", "explain", "AmountShift", "--model", "shop-eu", "--rules", PACK, "-o", "json").stdout
    )
    assert found[0]["standing"]["series"] == {"watching": 1}


def test_a_rule_that_does_not_watch_the_model_is_told(at: Overloop) -> None:
    done = at("rules", "explain", "AmountShift", "--model", "other", "--rules", PACK)
    assert (done.exit_code, done.stdout) == (1, "") and "does not watch other" in done.stderr


def test_without_a_ledger_there_is_nothing_to_say_of_a_model(overloop: Overloop, tmp_path: Path) -> None:
    done = overloop("--home", tmp_path, "rules", "explain", "--model", "m", "--rules", PACK)
    assert done.exit_code == 3 and done.stderr.startswith(f"There is no ledger in {tmp_path}")


def test_columns_are_compared_with_the_events_so_far(
    at: Overloop, daemon: LiveDaemon, pack: Callable[..., Path]
) -> None:
    daemon.settled()
    folder = pack(
        'pack: p\nmodels: ["shop-*"]\nrules:\n- alert: A\n  severity: low\n  count: {of: inputs.amont < 0, above: 3, over: 10m}\n'
    )
    done = at("rules", "check", folder)
    assert done.exit_code == 0 and "No event of shop-* has had a column `inputs.amont` so far." in done.stdout
    assert "Did you mean `inputs.amount`?" in done.stdout and "0 errors, 1 warning." in done.stdout


def test_the_daemon_takes_new_rules_and_keeps_the_old_ones_where_the_new_are_wrong(
    at: Overloop, daemon: LiveDaemon
) -> None:
    file = daemon.home.parent / "packs" / "shop" / "pack.yaml"
    text = file.read_text()
    try:
        file.write_text(text.replace("severity: low", "severity: lwo"))
        done = at("rules", "reload")
        assert (done.exit_code, done.stdout) == (1, "")
        assert "`lwo` is no severity." in done.stderr and "old ones stay in force" in done.stderr.splitlines()[-1]
    finally:
        file.write_text(text)
    assert at("rules", "reload").stdout == "The daemon has loaded 3 rules of shop.\n"
    assert json.loads(at("rules", "reload", "-o", "json").stdout)["packs"] == ["shop"]


def test_check_says_that_all_is_fine(overloop: Overloop, tmp_path: Path) -> None:
    (tmp_path / "overloop.toml").write_text(f'rules = ["{PACK}"]\n')
    done = overloop("--home", tmp_path, "check")
    assert done.exit_code == 0
    assert done.stdout.startswith(f"The settings are fine; the home folder is {tmp_path}.\n")


def test_check_notes_what_is_odd(overloop: Overloop, tmp_path: Path) -> None:
    (tmp_path / "overloop.toml").write_text(
        f'rules = ["{PACK}"]\nlisten = "0.0.0.0:8420"\n[receivers.oncall]\nurl_env = "NOBODY_SET_THIS"\n'
    )
    done = overloop("--home", tmp_path, "check")
    assert done.exit_code == 0
    assert "note: The daemon listens on 0.0.0.0:8420 without TLS" in done.stdout
    assert (
        "note: receivers.oncall.url_env names the environment variable NOBODY_SET_THIS, which is not set."
        in done.stdout
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [("lisen = 1", "lisen is not a setting. Did you mean listen?"), ('rules = ["no"]', "is not a folder.")],
)
def test_check_ends_with_1_on_settings_that_cannot_be_used(
    overloop: Overloop, tmp_path: Path, text: str, says: str
) -> None:
    (tmp_path / "overloop.toml").write_text(text + "\n")
    done = overloop("--home", tmp_path, "check")
    assert (done.exit_code, done.stdout) == (1, "") and says in done.stderr


OTHER = 'pack: shop\nmodels: ["shop-*"]\nrules:\n- alert: Elsewhere\n  severity: low\n  absent: {for: 10m}\n'


def test_without_folders_the_rules_in_force_are_explained_and_not_those_of_the_settings(
    at: Overloop, pack: Callable[..., Path], daemon: LiveDaemon
) -> None:
    """The daemon was started with --rules, and the settings name another folder."""
    folder = str(pack(OTHER))
    done = at("rules", "explain", OVERLOOP_RULES=folder)
    assert done.exit_code == 0 and "shop/NegativeAmounts" in done.stdout and "Elsewhere" not in done.stdout
    assert done.stderr.startswith(f"These are the rules in force on {daemon.home}; the files in {folder} hold others.")
    same = at("rules", "explain", "Silent", OVERLOOP_RULES=str(PACK.parent))
    assert same.exit_code == 0 and same.stderr == ""
    asked = at("rules", "explain", "--rules", folder)
    assert "shop/Elsewhere" in asked.stdout and "NegativeAmounts" not in asked.stdout


def test_where_no_daemon_has_run_the_files_are_explained_and_that_is_said(
    overloop: Overloop, pack: Callable[..., Path], tmp_path: Path
) -> None:
    folder = pack(OTHER)
    done = overloop("--home", tmp_path, "rules", "explain", OVERLOOP_RULES=str(folder))
    assert done.exit_code == 0 and "shop/Elsewhere" in done.stdout
    assert done.stderr.startswith(f"No daemon has run on {tmp_path} yet; these are the rules of {folder}.")


def test_checking_other_rules_than_those_in_force_says_so(at: Overloop, pack: Callable[..., Path]) -> None:
    folder = str(pack(OTHER))
    done = at("rules", "check", OVERLOOP_RULES=folder)
    assert done.exit_code == 0 and "has others in force" in done.stderr
    assert at("rules", "check", OVERLOOP_RULES=str(PACK.parent)).stderr == ""
    assert at("rules", "check", folder).stderr == "", "whoever names a folder knows what it is"
