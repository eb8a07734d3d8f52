"""How each remote module is spoken: its paths, its words, the way its changes are found.

Sources: Zoho Books API v3, one page a resource, and its OpenAPI documents. Estimates, sales orders, price
lists and users have none of the latter: their entries follow the invoices' by analogy.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from msgspec import Struct, field


class Changes(Enum):
    """How a list tells what changed."""

    FILTER = "filter"  # it takes last_modified_time
    SORTED = "sorted"  # it can be sorted by last_modified_time, newest first
    SCAN = "scan"  # it is read whole and compared, unless it turns out to be sortable after all
    WHOLE = "whole"  # small reference data, read whole


class Kind(Struct, frozen=True, kw_only=True):
    """``one``, ``many``: the keys of a record and of a list in replies; ``id``: the key of a record's id.

    ``noun``: what the remote calls a record in its refusals. ``order``: a column by which a list can be
    sorted so that no edit moves a row, ``None`` when there is none. ``number``: the field that the remote
    numbers by itself unless told; ``entity``: the name under which its custom fields are kept;
    ``upsert``: whether it takes ``X-Unique-Identifier-*``. ``listed``: the fields that list rows hold.
    ``moves``: by each status the call that leads to it; ``void``: the status that ends a document.
    ``lapses``: a status that a document gets by the passing of a day, without a word of it, and the field of
    that day. ``revived``: the status that it has after a void was taken back; ``settled``: those in which it
    takes no more than harmless edits. ``activity``: whether records are made active or inactive. ``key``: the
    field by which others name it.
    """

    name: str
    path: str
    one: str
    many: str
    id: str
    noun: str = ""
    changes: Changes = Changes.FILTER
    order: str | None = "created_time"
    number: str | None = None
    numbers_itself: bool = False
    entity: str | None = None
    upsert: bool = False
    listed: frozenset[str] = frozenset()
    moves: Mapping[str, str] = field(default_factory=dict)
    void: str | None = None
    revived: str | None = None
    settled: frozenset[str] = frozenset()
    lapses: tuple[str, str] | None = None
    activity: bool = False
    key: str | None = None


_DOCUMENT = frozenset(
    {"reference_number", "date", "status", "total", "currency_code", "created_time", "last_modified_time"}
)
_SALE = _DOCUMENT | {"customer_id", "customer_name"}
_PURCHASE = _DOCUMENT | {"vendor_id", "vendor_name"}

KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(
            name="contacts",
            path="/contacts",
            one="contact",
            many="contacts",
            id="contact_id",
            noun="Contact",
            changes=Changes.SORTED,
            entity="contact",
            upsert=True,
            activity=True,
            listed=frozenset(
                {"contact_name", "company_name", "contact_type", "status", "first_name", "last_name", "email",
                 "phone", "mobile", "currency_code", "payment_terms", "created_time", "last_modified_time"}
            ),
        ),
        Kind(
            name="contactpersons",
            path="/contacts/contactpersons",
            one="contact_person",
            many="contact_persons",
            id="contact_person_id",
            noun="Contact person",
            changes=Changes.SORTED,
        ),
        Kind(
            name="items",
            path="/items",
            one="item",
            many="items",
            id="item_id",
            noun="Item",
            changes=Changes.SCAN,
            order=None,
            entity="item",
            upsert=True,
            activity=True,
            key="sku",
            listed=frozenset(
                {"name", "sku", "description", "rate", "unit", "status", "created_time", "last_modified_time"}
            ),
        ),
        Kind(
            name="pricebooks",
            path="/pricebooks",
            one="pricebook",
            many="pricebooks",
            id="pricebook_id",
            noun="Price list",
            changes=Changes.SCAN,
            order=None,
            activity=True,
            key="name",
            listed=frozenset({"name", "status", "created_time", "last_modified_time"}),
        ),
        Kind(
            name="estimates",
            path="/estimates",
            one="estimate",
            many="estimates",
            id="estimate_id",
            noun="Estimate",
            number="estimate_number",
            numbers_itself=True,
            entity="estimate",
            listed=_SALE | {"estimate_number", "expiry_date"},
            lapses=("expired", "expiry_date"),
            moves={"sent": "sent", "accepted": "accepted", "declined": "declined"},
            settled=frozenset({"invoiced"}),
        ),
        Kind(
            name="salesorders",
            path="/salesorders",
            one="salesorder",
            many="salesorders",
            id="salesorder_id",
            noun="Sales order",
            number="salesorder_number",
            numbers_itself=True,
            entity="salesorder",
            listed=_SALE | {"salesorder_number", "shipment_date"},
            moves={"open": "open", "void": "void"},
            void="void",
            revived="open",
            settled=frozenset({"invoiced", "closed"}),
        ),
        Kind(
            name="invoices",
            path="/invoices",
            one="invoice",
            many="invoices",
            id="invoice_id",
            noun="Invoice",
            number="invoice_number",
            numbers_itself=True,
            entity="invoice",
            upsert=True,
            listed=_SALE | {"invoice_number", "due_date", "balance"},
            lapses=("overdue", "due_date"),
            moves={"sent": "sent", "void": "void", "draft": "draft"},
            void="void",
            revived="draft",
            settled=frozenset({"paid"}),
        ),
        Kind(
            name="bills",
            path="/bills",
            one="bill",
            many="bills",
            id="bill_id",
            noun="Bill",
            number="bill_number",
            entity="bill",
            upsert=True,
            lapses=("overdue", "due_date"),
            listed=_PURCHASE | {"bill_number", "due_date", "balance"},
            moves={"open": "open", "void": "void"},
            void="void",
            revived="open",
            settled=frozenset({"paid"}),
        ),
        Kind(
            name="purchaseorders",
            path="/purchaseorders",
            one="purchaseorder",
            many="purchaseorders",
            id="purchaseorder_id",
            noun="Purchase order",
            number="purchaseorder_number",
            numbers_itself=True,
            entity="purchaseorder",
            upsert=True,
            listed=_PURCHASE | {"purchaseorder_number", "delivery_date"},
            moves={"open": "open", "billed": "billed", "cancelled": "cancelled"},
            void="cancelled",
            revived="open",
            settled=frozenset({"billed", "closed"}),
        ),
        Kind(
            name="customerpayments",
            path="/customerpayments",
            one="payment",
            many="customerpayments",
            id="payment_id",
            noun="Payment",
            changes=Changes.SCAN,
            order=None,
            number="payment_number",
            entity="customer_payment",
            upsert=True,
            listed=frozenset(
                {"payment_number", "customer_id", "customer_name", "date", "amount", "payment_mode",
                 "reference_number", "created_time", "last_modified_time"}
            ),
        ),
        Kind(
            name="creditnotes",
            path="/creditnotes",
            one="creditnote",
            many="creditnotes",
            id="creditnote_id",
            noun="Credit note",
            changes=Changes.SCAN,
            number="creditnote_number",
            numbers_itself=True,
            entity="creditnote",
            upsert=True,
            listed=_SALE | {"creditnote_number", "balance"},
            moves={"open": "open", "void": "void", "draft": "draft"},
            void="void",
            revived="draft",
            settled=frozenset({"closed"}),
        ),
        Kind(
            name="currencies",
            path="/settings/currencies",
            one="currency",
            many="currencies",
            id="currency_id",
            noun="Currency",
            changes=Changes.WHOLE,
            key="currency_code",
        ),
        Kind(
            name="taxes",
            path="/settings/taxes",
            one="tax",
            many="taxes",
            id="tax_id",
            noun="Tax",
            changes=Changes.WHOLE,
            key="tax_name",
        ),
        Kind(
            name="chartofaccounts",
            path="/chartofaccounts",
            one="chart_of_account",
            many="chartofaccounts",
            id="account_id",
            noun="Account",
            changes=Changes.WHOLE,
            key="account_name",
        ),
        Kind(
            name="users",
            path="/users",
            one="user",
            many="users",
            id="user_id",
            noun="User",
            changes=Changes.WHOLE,
            key="email",
        ),
    )
}  # fmt: skip


def synced(name: str) -> bool:
    """Whether records of this remote module are kept in step, not only looked up."""
    return name in KINDS and KINDS[name].changes is not Changes.WHOLE
