"""The services that tests rely on, themselves."""

from __future__ import annotations

import pytest
from sqlalchemy import create_engine, text


@pytest.mark.postgres
def test_each_test_gets_an_empty_database(postgres_url: str) -> None:
    engine = create_engine(postgres_url)
    with engine.begin() as connection:
        assert connection.execute(text("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")).scalar() == 0
        connection.execute(text("CREATE TABLE left_behind (x int)"))
        assert connection.execute(text("SHOW server_encoding")).scalar() == "UTF8"
    engine.dispose()


@pytest.mark.postgres
def test_the_next_test_gets_another(postgres_url: str) -> None:
    test_each_test_gets_an_empty_database(postgres_url)


def test_a_missing_service_is_a_skip_on_a_laptop_and_a_failure_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    from services import program

    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no-such-program is not installed here"):
        program("no-such-program")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no-such-program is not installed here"):
        program("no-such-program")
