from __future__ import annotations

import shutil
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import alembic
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from monitor.store import schema
from monitor.store.database import Database, LedgerUnavailable
from monitor.store.engines import ledger_name, ledger_url, migrating_engine
from monitor.store.schema import Migrations, SchemaMismatch
from monitor.store.tables import metadata

ROOT = Path(__file__).parents[2]


def test_upgrade_from_empty_equals_the_models(bare_url: str) -> None:
    schema.upgrade(bare_url)
    with migrating_engine(ledger_url(bare_url), 10.0).connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_upgrading_twice_changes_nothing_and_the_check_is_content(bare_url: str) -> None:
    with pytest.raises(SchemaMismatch, match="has no tables yet: run `overloop db upgrade`"):
        schema.check(bare_url)
    assert schema.upgrade(bare_url) is None
    assert schema.upgrade(bare_url) is None
    schema.check(bare_url)
    assert schema.revision(bare_url) == schema.REVISION


@pytest.mark.parametrize(("found", "words"), [("0000", "run `overloop db upgrade`"), ("9999", "a newer program")])
def test_another_revision_is_refused_with_what_to_do(sqlite_ledger: Path, found: str, words: str) -> None:
    with closing(sqlite3.connect(sqlite_ledger)) as raw, raw:
        raw.execute("UPDATE alembic_version SET version_num = ?", (found,))
    with pytest.raises(SchemaMismatch, match=words):
        schema.check(sqlite_ledger)


def test_a_newer_ledger_is_never_upgraded(sqlite_ledger: Path) -> None:
    with closing(sqlite3.connect(sqlite_ledger)) as raw, raw:
        raw.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(SchemaMismatch, match="a newer program"):
        schema.upgrade(sqlite_ledger)


def test_the_revision_this_program_needs_is_the_newest_migration() -> None:
    script = ScriptDirectory(str(schema.shipped().folder))
    assert script.get_current_head() == schema.REVISION
    assert sorted(r.revision for r in script.walk_revisions()) == [schema.REVISION]


def test_the_folder_does_not_shadow_the_library_and_has_no_settings_of_its_own() -> None:
    assert alembic.__version__
    assert not list(ROOT.glob("alembic/**/__init__.py"))
    assert not (ROOT / "alembic.ini").exists()
    assert "[tool.alembic]" in (ROOT / "pyproject.toml").read_text()


def test_the_settings_in_pyproject_are_enough_for_a_developer(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    command = [sys.executable, "-B", "-m", "alembic", "-x", f"url={url}"]
    subprocess.run([*command, "upgrade", "head"], cwd=ROOT, check=True, capture_output=True)
    done = subprocess.run([*command, "check"], cwd=ROOT, check=True, capture_output=True, text=True)
    assert "No new upgrade operations detected" in done.stdout


def test_a_path_with_a_percent_sign_is_no_interpolation(tmp_path: Path) -> None:
    folder = tmp_path / "100%(here)s"
    folder.mkdir()
    (folder / "alembic").symlink_to(ROOT / "alembic", target_is_directory=True)
    engine = migrating_engine(ledger_url(folder / "ledger.db"), 10.0)
    with engine.connect() as connection:
        config = schema.alembic_config(folder / "alembic", connection)
        assert config.get_main_option("script_location") == str(folder / "alembic")
        assert ScriptDirectory.from_config(config).get_current_head() == schema.REVISION
    schema.upgrade(folder / "ledger.db")
    schema.check(folder / "ledger.db")


def test_the_ledger_is_for_its_owner_only(tmp_path: Path) -> None:
    schema.upgrade(tmp_path / "ledger.db")
    assert stat.S_IMODE((tmp_path / "ledger.db").stat().st_mode) == 0o600


def older_ledger(path: Path, orphan: bool = False) -> None:
    """A ledger with a parent table, which the next migration makes anew, and its child."""
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.execute("INSERT INTO facts VALUES ('home', 'x')")
        raw.execute("CREATE TABLE parent (id INTEGER PRIMARY KEY, old TEXT)")
        raw.execute("CREATE TABLE child (parent INTEGER REFERENCES parent (id) ON DELETE CASCADE)")
        raw.execute("INSERT INTO parent VALUES (1, 'a')")
        raw.executemany("INSERT INTO child VALUES (?)", [(1,), (2,)] if orphan else [(1,)])


def next_migrations(folder: Path) -> Path:
    """Today's migrations and one more, which changes the parent the way SQLite needs it: copy, drop, rename."""
    shutil.copytree(ROOT / "alembic", folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "versions" / "0002_next.py").write_text(
        "from alembic import op\nimport sqlalchemy as sa\n"
        "revision, down_revision, branch_labels, depends_on = '0002', '0001', None, None\n"
        "def upgrade():\n"
        "    with op.batch_alter_table('parent', recreate='always') as batch:\n"
        "        batch.add_column(sa.Column('new', sa.String(5)))\n"
    )
    return folder


@pytest.fixture
def ahead(tmp_path: Path) -> Migrations:
    """What a program one revision on brings along."""
    return Migrations(next_migrations(tmp_path / "next"), "0002")


def test_making_a_parent_table_anew_keeps_its_children_and_a_backup(sqlite_ledger: Path, ahead: Migrations) -> None:
    older_ledger(sqlite_ledger)
    backup = schema.upgrade(sqlite_ledger, by=ahead)
    with closing(sqlite3.connect(sqlite_ledger)) as raw:
        assert raw.execute("SELECT count(*) FROM child").fetchone() == (1,)
        assert raw.execute("SELECT id, old, new FROM parent").fetchall() == [(1, "a", None)]
        assert raw.execute("SELECT version_num FROM alembic_version").fetchone() == ("0002",)
    assert backup is not None
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    with closing(sqlite3.connect(backup)) as raw:
        assert raw.execute("SELECT value FROM facts").fetchall() == [("x",)]
        assert raw.execute("SELECT version_num FROM alembic_version").fetchone() == ("0001",)


def test_an_upgrade_that_would_leave_orphans_changes_nothing(sqlite_ledger: Path, ahead: Migrations) -> None:
    older_ledger(sqlite_ledger, orphan=True)
    with pytest.raises(SchemaMismatch, match="1 rows of child"):
        schema.upgrade(sqlite_ledger, by=ahead)
    with closing(sqlite3.connect(sqlite_ledger)) as raw:
        assert raw.execute("SELECT version_num FROM alembic_version").fetchone() == ("0001",)
        assert [row[1] for row in raw.execute("PRAGMA table_info(parent)")] == ["id", "old"]


def test_backups_never_overwrite_each_other(sqlite_ledger: Path, ahead: Migrations) -> None:
    older_ledger(sqlite_ledger)
    first = schema.upgrade(sqlite_ledger, by=ahead)
    with closing(sqlite3.connect(sqlite_ledger)) as raw, raw:
        raw.execute("UPDATE alembic_version SET version_num = '0001'")
        raw.execute("ALTER TABLE parent DROP COLUMN new")
    second = schema.upgrade(sqlite_ledger, by=ahead)
    assert first is not None and second is not None
    assert {first.name, second.name} == {"ledger.db.0001.bak", "ledger.db.0001.2.bak"}


def test_a_folder_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(LedgerUnavailable, match="nowhere"):
        schema.upgrade(tmp_path / "nowhere" / "ledger.db", tmp_path / "run")
    with pytest.raises(SchemaMismatch, match="has no tables yet"):
        schema.check(tmp_path / "nowhere" / "ledger.db")


def test_a_file_that_is_no_database_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_bytes(b"not a database at all" * 100)
    with pytest.raises(LedgerUnavailable, match="restore it from a backup"):
        schema.check(tmp_path / "ledger.db")


def test_messages_never_show_a_password() -> None:
    url = "postgresql://ann:s3cret%25x@db.example.org/overloop"
    assert "s3cret" not in ledger_name(ledger_url(url))
    assert ledger_url(url).password == "s3cret%x"
    assert "s3cret" not in Database.open(url).name
    unreachable = "postgresql://ann:s3cret@127.0.0.1:1/overloop"
    with pytest.raises(LedgerUnavailable) as caught:
        schema.check(unreachable)
    assert "s3cret" not in str(caught.value)
    assert "127.0.0.1" in str(caught.value)


@pytest.mark.parametrize("url", ["mysql://x/y", "sqlite://", "sqlite:///:memory:"])
def test_databases_we_do_not_keep_ledgers_in_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match="The ledger"):
        ledger_url(url)


def test_an_installed_program_finds_its_migrations_inside_itself(tmp_path: Path) -> None:
    """As the wheel lays it out: `alembic/` of the source tree is `monitor/_migrations` there."""
    without = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "monitor", tmp_path / "monitor", ignore=without)
    shutil.copytree(ROOT / "alembic", tmp_path / "monitor" / "_migrations", ignore=without)
    code = (
        "from monitor.store import schema; schema.upgrade('ledger.db'); schema.check('ledger.db');"
        "print(schema.shipped().folder)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == str(tmp_path / "monitor" / "_migrations")
