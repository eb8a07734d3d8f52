"""The folders that are shipped with the engine, wherever it is installed."""

from __future__ import annotations

from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Literal

Kind = Literal["schemas", "transforms", "specs"]


def bundled(kind: Kind) -> Traversable:
    """The folder of that kind: inside the installed package, or at the top of a checkout."""
    inside = resources.files("syncline") / "_bundled" / kind
    # An editable install has no copies inside the package: the checkout itself is what is installed.
    return inside if inside.is_dir() else Path(__file__).resolve().parents[2] / kind
