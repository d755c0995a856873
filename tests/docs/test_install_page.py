"""The page on systemd names what the unit names, and its commands work with such settings and credentials."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from documents import blocks
from live_daemon import ROOT, Target
from typer.testing import CliRunner

from monitor.cli.root import app

PAGE = ROOT / "docs" / "install-systemd.md"
UNIT = ROOT / "systemd" / "overloop.service"


@pytest.fixture(scope="module")
def service() -> dict[str, str]:
    read = configparser.RawConfigParser(strict=False)
    read.optionxform = str  # type: ignore[assignment,method-assign]
    read.read(UNIT)
    return dict(read["Service"])


def test_the_page_names_the_places_of_the_unit(service: dict[str, str]) -> None:
    said = PAGE.read_text()
    assert service["ExecStart"] == "/opt/overloop/bin/overloop run" and "/opt/overloop/bin/overloop" in said
    assert f"OVERLOOP_HOME=/var/lib/{service['StateDirectory']} " in said
    assert f"CONFIGURATION_DIRECTORY=/etc/{service['ConfigurationDirectory']} " in said
    prefix, _, folder = service["LoadCredential"].partition(":")
    assert f"install -m 0600 /dev/stdin {folder}/oncall" in said and f'"{prefix}_oncall"' in said
    assert "`DynamicUser=yes`" in said and service["DynamicUser"] == "yes"
    assert "below `/home` or `/root`" in said and service["ProtectHome"] == "yes"


def test_the_rating_is_what_systemd_says() -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed")
    command = [analyze, "security", "--offline=true", "--no-pager", str(UNIT)]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rated = re.search(r"exposure level for overloop.service: (\S+) (\w+)", told)
    assert rated is not None and f'rates the unit {rated[1]} ("{rated[2]}"' in PAGE.read_text()


def test_its_commands_read_the_settings_and_credentials_of_the_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = {name: tmp_path / name for name in ("home", "etc", "credentials", "rules")}
    for folder in folders.values():
        folder.mkdir()
    receivers, rules = (block.text for block in blocks(PAGE) if block.language == "toml")
    shipped = tomllib.loads(rules)["rules"][1]
    assert shipped.endswith("/site-packages/monitor/_rules")
    settings = rules.replace("/etc/overloop/rules", str(ROOT / "tests/cli/pack")).replace(shipped, str(ROOT / "rules"))
    (folders["etc"] / "overloop.toml").write_text(f"{settings}\n{receivers}\n")
    target = Target()
    (folders["credentials"] / "receiver_oncall").write_text(f"{target.url}\n")
    for name, folder in (("OVERLOOP_HOME", "home"), ("CONFIGURATION_DIRECTORY", "etc")):
        monkeypatch.setenv(name, str(folders[folder]))
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(folders["credentials"]))
    try:
        assert "oncall" in CliRunner().invoke(app, ["receivers", "list"]).stdout
        done = CliRunner().invoke(app, ["receivers", "test", "oncall"])
        assert done.exit_code == 0 and target.log[0]["title"] == "Test message from Overloop", done.output
        checked = CliRunner().invoke(app, ["rules", "check"])
        assert checked.exit_code == 0 and "shop/" in checked.stdout and "base/" in checked.stdout, checked.output
    finally:
        target.stop()
