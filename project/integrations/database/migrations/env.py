"""Tell Alembic the database and the models, for `python -m project.migrate` and for its own command line."""

from alembic import context
from sqlalchemy import Connection

from project.integrations.database.engine import Base, make_engine
from project.integrations.database.history import Record
from project.integrations.database.migrations import begin
from project.settings import get_settings

MODELS = [Record]  # imported here, so that `alembic revision --autogenerate` finds the table


def _run(connection: Connection) -> None:
    # batch: SQLite cannot change columns, so Alembic copies the table
    context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()


if given := context.config.attributes.get("connection"):
    _run(given)
else:
    with make_engine(get_settings().database_owner).begin() as own:
        begin(own)
        _run(own)
