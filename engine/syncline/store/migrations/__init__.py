"""The versions that the tables have had."""

from __future__ import annotations

#: The version this program works with. Versions sort as text.
HEAD = "0001"
#: Where a database says which version it has.
VERSION_TABLE = "syncline_version"
