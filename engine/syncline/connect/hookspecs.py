"""Every hook that a plugin may implement, in the pluggy project ``syncline``.

A plugin is a module named by an entry point of the group ``syncline``. It marks its functions with
``syncline.connect.hookimpl``; each hook is optional.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib.resources.abc import Traversable
from typing import Any

import pluggy

from syncline.connect.contract import Connector

PROJECT = "syncline"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)

Filter = Callable[..., Any]


@hookspec
def syncline_connectors() -> Sequence[Connector]:  # type: ignore[empty-body]
    """The connectors of this distribution. Since 0.1.

    Two connectors of one name are a clash: neither is loaded, both distributions are named.
    """


@hookspec
def syncline_filters() -> Mapping[str, Filter]:  # type: ignore[empty-body]
    """Filters for transforms and match rules, by name. Since 0.1.

    A filter takes the value first and plain data after it, returns plain data and raises
    ``ValueError`` with a sentence for people. It must never call what it is given, must end in time
    linear in its input, and must not do I/O. A name the engine or another plugin has is a clash.
    """


@hookspec
def syncline_bundles() -> Traversable | None:
    """A folder that holds ``specs/`` and ``transforms/`` of this distribution, for ``extends`` and
    macro imports by name. Since 0.1."""
