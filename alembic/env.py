"""Run by Alembic. The program passes its own connection; a developer says `alembic -x url=sqlite:///FILE …`."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection

from monitor.store.engines import ledger_url, migrating_engine
from monitor.store.tables import metadata


def run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        render_as_batch=True,  # SQLite changes a table by making a new one
        transactional_ddl=True,  # all or nothing, on both databases
        compare_type=True,
    )
    with context.begin_transaction():
        context.run_migrations()


def main() -> None:
    connection = context.config.attributes.get("connection")
    if connection is not None:
        run(connection)
        return
    url = context.get_x_argument(as_dictionary=True).get("url")
    if url is None:
        raise SystemExit("Say which ledger: alembic -x url=sqlite:////path/to/ledger.db …")
    engine = migrating_engine(ledger_url(url), 10.0)
    with engine.begin() as own:
        run(own)
    engine.dispose()


main()
