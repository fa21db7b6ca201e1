"""Runs Alembic's migrations on the connection that `engine.migrate` hands over, in its transaction."""

from alembic import context
from sqlmodel import SQLModel

from lamina_core.store import tables  # noqa: F401 - importing it fills the metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=SQLModel.metadata,
    render_as_batch=True,
    transactional_ddl=True,
)
context.run_migrations()
