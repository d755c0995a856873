"""Which daemon is meant, and what is said when it cannot be reached or is none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from live_daemon import LiveDaemon, free_port
from typer.testing import Result

Overloop = Callable[..., Result]


def said(done: Result, code: int) -> str:
    """The one sentence on standard error of a command that ended with this code."""
    assert (done.exit_code, done.stdout) == (code, ""), done.output
    (line,) = done.stderr.splitlines()
    assert line.endswith((".", "?")) and "Traceback" not in line
    return line


def home_with(tmp_path: Path, token: str | None = "ovl_t", url: str | None = None) -> Path:
    home = tmp_path / "home"
    (home / "run").mkdir(parents=True)
    if token is not None:
        (home / "token").write_text(token + "\n")
    if url is not None:
        (home / "run" / "url").write_text(url + "\n")
    return home


def test_without_a_home_it_says_where_it_looked(overloop: Overloop, tmp_path: Path) -> None:
    line = said(overloop("incident", "list"), 3)
    assert line.startswith(f"There is no token in {tmp_path}/state/overloop: start a daemon with `overloop run`")


def test_a_token_that_may_not_be_read_is_told_with_what_to_do(overloop: Overloop, tmp_path: Path) -> None:
    home = home_with(tmp_path)
    (home / "token").unlink()
    (home / "token").mkdir()  # what root cannot read either
    assert f"The token in {home} cannot be read (Is a directory): run this as" in said(
        overloop("--home", home, "incident", "list"), 3
    )


def test_a_token_with_odd_letters_is_not_sent(overloop: Overloop) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    assert "is no token" in said(overloop("incident", "list", OVERLOOP_URL=url, OVERLOOP_TOKEN="a\r\nb"), 3)


def test_a_daemon_that_is_down_is_told_with_its_address(overloop: Overloop, tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    line = said(overloop("--home", home_with(tmp_path, url=url), "incident", "list"), 3)
    assert line == (
        f"The daemon at {url} cannot be reached (Connection refused): start it with `overloop run`, or set OVERLOOP_URL."
    )


@pytest.mark.parametrize("url", ["localhost:8420", "ftp://x", "http://", "http://h:port", "http://[::1", "http://ä"])
def test_what_is_no_address_is_not_asked(overloop: Overloop, url: str) -> None:
    assert "is no address of a daemon" in said(overloop("--url", url, "incident", "list", OVERLOOP_TOKEN="t"), 3)


@pytest.mark.parametrize(
    ("status", "kind", "body"),
    [
        (200, "text/html", b"<h1>It works!</h1>"),
        (200, "application/json", b"{"),
        (200, "application/json", b"[]"),
        (404, "text/html", b"not here"),
        (302, "text/html", b""),
        (500, "application/json", b'{"error": 1}'),
    ],
)
def test_what_is_not_the_daemon_is_recognised(
    overloop: Overloop, stranger: Callable[..., str], status: int, kind: str, body: bytes
) -> None:
    url = stranger(status, kind, body)
    done = overloop("incident", "list", OVERLOOP_URL=url, OVERLOOP_TOKEN="t")
    assert f"What answers at {url} is not Overloop" in said(done, 3)


def test_a_problem_of_the_daemon_is_told_in_its_words_without_control_characters(
    overloop: Overloop, stranger: Callable[..., str]
) -> None:
    url = stranger(503, "application/problem+json", b'{"detail": "Wait \\u001b[31mfor \\u009bit\\u202e."}')
    assert said(overloop("incident", "list", OVERLOOP_URL=url, OVERLOOP_TOKEN="t"), 3) == "Wait  [31mfor  it ."


def test_a_token_that_is_not_known_is_refused_and_where_it_came_from_is_told(at: Overloop, daemon: LiveDaemon) -> None:
    line = said(at("incident", "list", OVERLOOP_TOKEN="ovl_wrong"), 4)
    assert line.startswith(f"The daemon at {daemon.url} does not know the token in OVERLOOP_TOKEN:")
    assert "ovl_wrong" not in line


def test_a_role_that_does_not_go_so_far_is_refused(at: Overloop, incident: str) -> None:
    token = at("token", "create", "probe", "--role", "viewer").stdout.strip()
    assert at("incident", "list", OVERLOOP_TOKEN=token).exit_code == 0
    line = said(at("incident", "ack", incident, OVERLOOP_TOKEN=token), 4)
    assert "probe" in line and "viewer" in line and "operator" in line


def test_what_is_typed_goes_before_the_environment(overloop: Overloop, daemon: LiveDaemon, tmp_path: Path) -> None:
    elsewhere = {"OVERLOOP_URL": f"http://127.0.0.1:{free_port()}", "OVERLOOP_TOKEN": "ovl_elsewhere"}
    assert overloop("--home", daemon.home, "audit", "head", **elsewhere).exit_code == 0
    assert overloop("--home", daemon.home, "audit", "head", OVERLOOP_HOME=str(tmp_path)).exit_code == 0
    typed = overloop(
        "--url", daemon.url, "audit", "head", OVERLOOP_URL=elsewhere["OVERLOOP_URL"], OVERLOOP_TOKEN=daemon.token
    )
    assert typed.exit_code == 0
    assert said(overloop("audit", "head", OVERLOOP_HOME=str(daemon.home), OVERLOOP_URL=elsewhere["OVERLOOP_URL"]), 3)


def test_with_an_address_and_a_token_no_home_is_needed(overloop: Overloop, daemon: LiveDaemon) -> None:
    done = overloop("audit", "head", OVERLOOP_URL=daemon.url + "/", OVERLOOP_TOKEN=daemon.token)
    assert done.exit_code == 0


def test_settings_with_a_mistake_keep_nobody_from_the_incidents_of_a_home_that_is_named(
    at: Overloop, daemon: LiveDaemon
) -> None:
    file = daemon.home / "overloop.toml"
    file.write_text("lissten = 1\n")
    try:
        assert at("incident", "list").exit_code == 0
        assert "lissten is not a setting" in said(at("rules", "explain"), 2)
    finally:
        file.unlink()
