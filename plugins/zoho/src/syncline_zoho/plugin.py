"""The hooks of this distribution."""

from __future__ import annotations

from collections.abc import Sequence

from syncline.connect import Connector, hookimpl


@hookimpl
def syncline_connectors() -> Sequence[Connector]:
    from syncline_zoho.books.connector import ZohoBooksConnector
    from syncline_zoho.crm.connector import ZohoCrmConnector

    return [ZohoCrmConnector(), ZohoBooksConnector()]
