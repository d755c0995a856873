from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import pytest

from monitor.store import queries
from monitor.store.access import (
    Token,
    add_user,
    create_token,
    disable_user,
    find,
    forget_tokens,
    revoke_token,
    tokens,
    touch_token,
    use_login,
    users,
)
from monitor.store.database import Database
from monitor.store.errors import Unknown

TOKEN = Token("t-1", "a" * 64, "api", "ann", "operator", "ci", 100.0, expires_at=200.0)


@pytest.fixture
def keys(database: Database) -> Database:
    with database.write(100.0) as tx:
        create_token(tx, TOKEN, "admin")
        create_token(tx, replace(TOKEN, id="t-2", hash="b" * 64, kind="login", label=""), "admin")
        create_token(tx, replace(TOKEN, id="t-3", hash="c" * 64, kind="session", expires_at=None), "ann")
    return database


def found(database: Database, hash_: str, kind: Any = "api", now: float = 150.0) -> Token | None:
    with database.read() as connection:
        return find(connection, hash_, kind, now)


def kinds(database: Database) -> list[tuple[str, str]]:
    with database.read() as connection:
        page, _ = queries.audit_page(connection)
    return [(entry["kind"], entry["actor"]) for entry in reversed(page)]


def test_a_token_is_found_by_its_hash_and_kind_while_it_is_in_force(keys: Database) -> None:
    assert found(keys, "a" * 64) == TOKEN
    assert found(keys, "a" * 64, "session") is None
    assert found(keys, "d" * 64) is None
    assert found(keys, "a" * 64, now=199.9) is not None
    assert found(keys, "a" * 64, now=200.0) is None
    assert found(keys, "c" * 64, "session", now=1e9) is not None
    assert kinds(keys) == [("token_created", "admin"), ("token_created", "admin"), ("login", "ann")]


def test_no_hash_reaches_the_audit_log(keys: Database) -> None:
    with keys.read() as connection:
        assert all(b"aaaa" not in data for _, data in queries.audit_bytes(connection))


def test_a_revoked_token_is_in_force_no_more(keys: Database) -> None:
    with keys.write(160.0) as tx:
        revoke_token(tx, "t-1", "bob")
        revoke_token(tx, "t-1", "bob")
        with pytest.raises(Unknown, match="There is no token 't-9'"):
            revoke_token(tx, "t-9", "bob")
    assert found(keys, "a" * 64) is None
    assert kinds(keys)[3:] == [("token_revoked", "bob")]
    with keys.read() as connection:
        assert [token.revoked_at for token in tokens(connection)] == [160.0]


def test_a_login_link_works_once_even_for_two_at_the_same_moment(keys: Database) -> None:
    assert found(keys, "b" * 64, "login") is not None  # looking does not use it up
    got: list[Token | None] = []

    def use() -> None:
        with keys.write(150.0) as tx:
            got.append(use_login(tx, "b" * 64))

    threads = [threading.Thread(target=use) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(token is not None for token in got) == 1
    assert found(keys, "b" * 64, "login") is None


def test_a_login_link_that_ran_out_does_not_work(keys: Database) -> None:
    with keys.write(200.0) as tx:
        assert use_login(tx, "b" * 64) is None


def test_a_disabled_user_is_shut_out_with_all_tokens(keys: Database) -> None:
    with keys.write(100.0) as tx:
        add_user(tx, "ann", "operator", "admin")
        with pytest.raises(ValueError, match="There is a user 'ann' already"):
            add_user(tx, "ann", "viewer", "admin")
    assert found(keys, "a" * 64) is not None
    with keys.write(150.0) as tx:
        disable_user(tx, "ann", "admin")
        disable_user(tx, "ann", "admin")
        with pytest.raises(Unknown, match="There is no user 'eve'"):
            disable_user(tx, "eve", "admin")
    assert found(keys, "a" * 64) is None
    assert found(keys, "c" * 64, "session") is None
    assert kinds(keys)[3:] == [("user_added", "admin"), ("user_disabled", "admin")]
    with keys.read() as connection:
        assert users(connection) == [
            {
                "name": "ann",
                "role": "operator",
                "created_at": "1970-01-01T00:01:40Z",
                "disabled_at": "1970-01-01T00:02:30Z",
            }
        ]


def test_use_is_remembered_and_old_links_and_sessions_are_forgotten(keys: Database) -> None:
    with keys.write(150.0) as tx:
        touch_token(tx, "t-1")
        create_token(
            tx, replace(TOKEN, id="t-4", hash="e" * 64, kind="session", created_at=150.0, expires_at=210.0), "ann"
        )
    with keys.write(300.0) as tx:
        assert forget_tokens(tx, 205.0) == 1  # the login link; API tokens stay on the list
    with keys.read() as connection:
        assert [token.used_at for token in tokens(connection)] == [150.0]
        assert [token.id for token in tokens(connection, "session")] == ["t-4", "t-3"]
        assert tokens(connection, "login") == []
