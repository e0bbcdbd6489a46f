"""Runs migrations on the connection that is given."""

from alembic import context

from cds_service.records.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
