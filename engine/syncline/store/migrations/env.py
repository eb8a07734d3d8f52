"""What alembic runs: the migrations, on the connection it was given."""

from __future__ import annotations

from alembic import context

from syncline.store.migrations import VERSION_TABLE
from syncline.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
