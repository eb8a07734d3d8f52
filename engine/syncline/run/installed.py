"""The plugins of this installation, with the engine's own filter names kept from them."""

from __future__ import annotations

from functools import cache

from syncline.connect.plugins import Plugins, load_plugins
from syncline.mapping.registry import ALL_FILTERS


@cache
def installed_plugins() -> Plugins:
    """Every connector, filter and bundle that is installed, and what is wrong with some of them; looked for
    once in a process."""
    return load_plugins(reserved_filters=ALL_FILTERS)
