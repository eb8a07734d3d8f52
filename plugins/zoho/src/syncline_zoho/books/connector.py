"""The connector ``zoho-books``: Zoho Books, API v3."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from syncline.connect import Catalogue, Connection, Connector, Limits, OAuth, Session
from syncline_zoho.books.catalogue import CATALOGUE
from syncline_zoho.datacenters import DATA_CENTERS, DEFAULT
from syncline_zoho.oauth import EXPIRED, make_oauth

if TYPE_CHECKING:
    from syncline.connect.sandbox import Sandbox, SandboxSettings

#: a group of scopes for each resource; state changes ask for CREATE (Zoho Books API v3, OAuth, Scopes)
_GROUPS = (
    "contacts", "settings", "estimates", "salesorders", "invoices", "customerpayments", "creditnotes",
    "purchaseorders", "bills",
)  # fmt: skip
SCOPES = (*(f"ZohoBooks.{group}.ALL" for group in _GROUPS), "ZohoBooks.accountants.READ")
#: a token that has had its time is told by the code that also says of a scope that it is missing
_EXPIRED = (*EXPIRED, '"code":57', '"code": 57', '"code":14,')


class ZohoBooksConnector(Connector):
    name = "zoho-books"
    title = "Zoho Books"
    documentation = "https://www.zoho.com/books/api/v3/"
    #: Zoho locks an organisation's own people out of the web when more than 100 calls a minute are made for
    #: it, so a share is left to them; five at once, as the smallest plan allows. How many a day there are
    #: depends on the plan, and is told with every answer.
    #: What is left of a minute no header of Zoho's tells; one that did would be believed, as that of the
    #: sandbox is.
    limits = Limits(
        concurrent=5,
        per_minute=80,
        minute_left_header="x-rate-limit-minute-remaining",
        day_left_header="x-rate-limit-remaining",
    )
    options_schema: Mapping[str, Any] = {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "data_center": {
                "description": "Where the organisation lives: the ending of its Zoho address.",
                "enum": list(DATA_CENTERS),
                "default": DEFAULT,
            },
            "link_field": {
                "description": "The API name of a custom text field that takes no duplicate values, in each"
                " synced module: creates are then sent as upserts by it, and can never be stored twice.",
                "type": "string",
                "pattern": "^cf_[a-z0-9_]+$",
            },
            "locked_until": {
                "description": "Documents dated up to this day are locked (Settings, Transaction Locking)."
                " The API tells it of a document, never of the organisation.",
                "type": "string",
                "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
            },
        },
    }

    def catalogue(self) -> Catalogue:
        return CATALOGUE

    def oauth(self, options: Mapping[str, Any], callback: Mapping[str, str]) -> OAuth:
        return make_oauth(options, callback, SCOPES, expired_marks=_EXPIRED)

    def open(self, connection: Connection) -> Session:
        from syncline_zoho.books.session import ZohoBooksSession

        return ZohoBooksSession(connection)

    def sandbox(self, settings: SandboxSettings) -> Sandbox:
        from syncline_zoho.books.sandbox import ZohoBooksSandbox

        return ZohoBooksSandbox(settings)
