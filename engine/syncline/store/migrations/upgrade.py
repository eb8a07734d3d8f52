"""Bringing the tables of a database to the version of this program."""

from __future__ import annotations

from importlib.resources import as_file, files

import sqlalchemy as sa
from alembic import command
from alembic.config import Config


def upgrade(connection: sa.Connection) -> None:
    """Run the missing migrations inside the caller's transaction: all of them, or none."""
    with as_file(files("syncline.store.migrations")) as folder:
        config = Config()
        # A percent sign in a path would be read as interpolation.
        config.set_main_option("script_location", str(folder).replace("%", "%%"))
        config.set_main_option("path_separator", "os")
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
