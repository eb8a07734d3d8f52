"""Two connectors of made-up remotes, as rich as a check of specs needs them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from syncline.connect import (
    Capabilities,
    Catalogue,
    Connection,
    Connector,
    Field,
    FieldType,
    OAuth,
    Reference,
    RemoteModule,
    Session,
)
from syncline.connect.sandbox import Sandbox, SandboxSettings

_WRITABLE = Capabilities(create_batch=100, update_batch=100, delete=True)
_ARCHIVING = Capabilities(create_batch=50, update_batch=50, archive=True)


def _to(module: str, path: str) -> Reference:
    return Reference(module=module, path=path)


CRM = Catalogue(
    (
        RemoteModule(
            name="Accounts",
            capabilities=_WRITABLE,
            fields=(
                Field(name="Account_Name", required=True, max_length=255),
                Field(name="Phone", max_length=50),
                Field(name="Website", max_length=50),
                Field(name="Description", max_length=32_000),
                Field(name="Books_ID", unique=True),
                Field(name="Tax_Exempt", type=FieldType.BOOLEAN),
                Field(name="Rating", type=FieldType.CHOICE, choices=("Hot", "Warm", "Cold")),
                Field(name="Employees", type=FieldType.INTEGER),
                Field(name="Parent_Account", type=FieldType.REFERENCE, reference=_to("Accounts", "id")),
                Field(name="Main_Invoice", type=FieldType.REFERENCE, reference=_to("Invoices", "id")),
                Field(name="Modified_Time", type=FieldType.INSTANT, read_only=True),
            ),
        ),
        RemoteModule(
            name="Invoices",
            capabilities=_WRITABLE,
            fields=(
                Field(name="Subject", required=True, max_length=120),
                Field(name="Account_Name", type=FieldType.REFERENCE, reference=_to("Accounts", "id")),
                Field(name="Invoice_Date", type=FieldType.DATE),
                Field(name="Status", type=FieldType.CHOICE, choices=("Open", "Paid")),
                Field(name="Grand_Total", type=FieldType.DECIMAL, read_only=True),
                Field(
                    name="Lines",
                    type=FieldType.LIST,
                    item_id="id",
                    fields=(
                        Field(name="id", read_only=True),
                        Field(name="Text", max_length=200),
                        Field(name="Quantity", type=FieldType.DECIMAL, required=True),
                        Field(name="Total", type=FieldType.DECIMAL, read_only=True),
                    ),
                ),
            ),
        ),
        RemoteModule(name="Reports", fields=(Field(name="Title"),)),
    )
)

BOOKS = Catalogue(
    (
        RemoteModule(
            name="Contacts",
            capabilities=_ARCHIVING,
            fields=(
                Field(name="ContactID", read_only=True),
                Field(name="Name", required=True, max_length=255),
                Field(name="EmailAddress", max_length=255),
                Field(name="TaxType", max_length=50),
                Field(name="TaxNumber", max_length=50),
                Field(name="Grade", type=FieldType.CHOICE, choices=("Hot", "Cold")),
                Field(name="IsCustomer", type=FieldType.BOOLEAN, read_only=True),
                Field(name="ParentContact", type=FieldType.REFERENCE, reference=_to("Contacts", "ContactID")),
                Field(name="MainInvoice", type=FieldType.REFERENCE, reference=_to("Invoices", "InvoiceID")),
                Field(
                    name="Phones",
                    type=FieldType.LIST,
                    item_key="PhoneType",
                    fields=(Field(name="PhoneType"), Field(name="PhoneNumber", max_length=50)),
                ),
                Field(
                    name="Persons",
                    type=FieldType.LIST,
                    fields=(Field(name="LastName", max_length=120), Field(name="Email", max_length=255)),
                ),
                Field(name="Bank", type=FieldType.OBJECT, fields=(Field(name="Iban", max_length=34),)),
            ),
        ),
        RemoteModule(
            name="Invoices",
            capabilities=_ARCHIVING,
            fields=(
                Field(name="InvoiceNumber", max_length=120),
                Field(
                    name="Contact",
                    type=FieldType.REFERENCE,
                    required=True,
                    reference=_to("Contacts", "ContactID"),
                ),
                Field(name="Date", type=FieldType.DATE),
                Field(name="Updated", type=FieldType.INSTANT),
                Field(name="Status", type=FieldType.CHOICE, choices=("DRAFT", "PAID")),
                Field(name="Total", type=FieldType.DECIMAL, read_only=True),
                Field(
                    name="LineItems",
                    type=FieldType.LIST,
                    item_id="LineItemID",
                    fields=(
                        Field(name="LineItemID"),
                        Field(name="Description", max_length=4000, required=True),
                        Field(name="Quantity", type=FieldType.DECIMAL),
                    ),
                ),
            ),
        ),
        RemoteModule(name="Currencies", lookup=True, fields=(Field(name="Code"),)),
    )
)


class MadeUp(Connector):
    """A connector that is described, and never opened."""

    title = "Made up"

    def __init__(self, name: str, catalogue: Catalogue, options: Mapping[str, Any]) -> None:
        self.name = name
        self._catalogue = catalogue
        self.options_schema = {"type": "object", "additionalProperties": False, "properties": options}

    def catalogue(self) -> Catalogue:
        return self._catalogue

    def oauth(self, options: Mapping[str, Any], callback: Mapping[str, str]) -> OAuth:
        raise NotImplementedError

    def open(self, connection: Connection) -> Session:
        raise NotImplementedError

    def sandbox(self, settings: SandboxSettings) -> Sandbox:
        raise NotImplementedError


CONNECTORS: Mapping[str, Connector] = {
    "alpha-crm": MadeUp(
        "alpha-crm", CRM, {"data_center": {"enum": ["us", "eu", "au"]}, "trigger": {"type": "boolean"}}
    ),
    "beta-books": MadeUp("beta-books", BOOKS, {}),
}
