from __future__ import annotations

import stat
from pathlib import Path

import pytest

from monitor.app.home import TOKEN_FILE, Home, HomeError, fill, make, secret_key
from monitor.store import access
from monitor.store.reserve import SIZE
from monitor.web.auth import Doorkeeper, digest


def in_force(home: Home) -> list[access.Token]:
    with home.database() as database, database.read() as connection:
        return [token for token in access.tokens(connection) if token.revoked_at is None]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = make(tmp_path / "home")
    fill(made)
    return made


def test_a_fresh_home_has_one_admin_token_that_only_its_owner_can_read(home: Home) -> None:
    assert stat.S_IMODE(home.token.stat().st_mode) == 0o600
    (token,) = in_force(home)
    assert (token.role, token.label, token.hash) == ("admin", TOKEN_FILE, digest(home.token.read_text().strip()))


def test_starting_again_changes_nothing(home: Home) -> None:
    before = home.token.read_text(), home.key.read_text()
    fill(home)
    assert (home.token.read_text(), home.key.read_text()) == before and len(in_force(home)) == 1


@pytest.mark.parametrize("torn", ["", "\n", "ovl_ab"])
def test_a_token_file_that_was_cut_short_is_made_anew_and_lets_nobody_in(home: Home, torn: str) -> None:
    old = home.token.read_text().strip()
    home.token.write_text(torn)
    fill(home)
    new = home.token.read_text().strip()
    assert len(new) > 40 and new != old
    with home.database() as database:
        keeper = Doorkeeper(database, lambda: 2e9)
        assert keeper.bearer(f"Bearer {new}") is not None
        for secret in ("", " ", "\xa0", torn, old):
            assert keeper.bearer(f"Bearer {secret}") is None


def test_a_token_that_is_put_there_takes_the_place_of_the_one_before(home: Home) -> None:
    home.token.write_text("a-token-of-our-own-making-0123456789\n")
    fill(home)
    (token,) = in_force(home)
    assert token.hash == digest("a-token-of-our-own-making-0123456789")


def test_a_key_that_was_cut_short_is_made_anew_and_one_that_is_none_is_refused(home: Home) -> None:
    home.key.write_text("")
    assert len(secret_key(home)) == 32
    home.key.write_text("this is not hexadecimal at all\n")
    with pytest.raises(HomeError, match=r"secret\.key"):
        secret_key(home)


def test_a_ledger_whose_making_was_cut_short_is_made_at_the_next_start(tmp_path: Path) -> None:
    home = make(tmp_path / "home")
    home.ledger.write_bytes(b"")
    fill(home)
    assert len(in_force(home)) == 1


def test_space_for_the_ledger_is_set_aside_before_anything_else_can_fill_the_disk(home: Home) -> None:
    assert home.reserve.stat().st_size == SIZE and home.reserve.stat().st_blocks * 512 >= SIZE
    home.reserve.unlink()
    fill(home)
    assert home.reserve.stat().st_size == SIZE
