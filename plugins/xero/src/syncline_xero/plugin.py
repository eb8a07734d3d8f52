"""The hooks of this distribution."""

from __future__ import annotations

from collections.abc import Sequence

from syncline.connect import Connector, hookimpl
from syncline_xero.connector import XeroConnector


@hookimpl
def syncline_connectors() -> Sequence[Connector]:
    return [XeroConnector()]
