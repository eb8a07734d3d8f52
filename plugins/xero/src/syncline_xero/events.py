"""Webhooks: who signed a delivery, and which records it names.

Source: Xero API documentation, Webhooks: the header ``x-xero-signature`` is the base64 of the HMAC-SHA256
of the raw body under the webhook's key. The key belongs to the application, and so does its one webhook,
which tells of every connected organisation. Contacts, invoices with bills, and credit notes alone have
events; archiving comes as an update.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

import msgspec

from syncline.connect import Event, EventRefused, Organisation

#: An event of an invoice does not say whether it is a sale or a bill; the one that has no such record reads
#: nothing.
_MODULES: Mapping[str, tuple[str, ...]] = {
    "CONTACT": ("Contacts",),
    "INVOICE": ("Invoices", "Bills"),
    "CREDITNOTE": ("CreditNotes", "SupplierCredits"),
}
_BY_TYPE = {"ACCRECCREDIT": ("CreditNotes",), "ACCPAYCREDIT": ("SupplierCredits",)}


def sign(key: str, body: bytes) -> str:
    return base64.b64encode(hmac.new(key.encode(), body, hashlib.sha256).digest()).decode()


def read_events(key: str, organisation: Organisation, headers: Mapping[str, str], body: bytes) -> list[Event]:
    """The events of one organisation; none for an intent to receive. Raises EventRefused."""
    if not key:
        raise EventRefused(
            "no webhook_key is set, so nobody can tell who sent this delivery",
            fix="set webhook_key of the system to the key that the webhook has in Xero's developer portal",
        )
    given = headers.get("x-xero-signature", "").encode()
    if not hmac.compare_digest(given, sign(key, body).encode()):
        raise EventRefused(
            "the delivery is not signed with the webhook's key; nothing was done",
            fix="if it did come from Xero, compare webhook_key with the developer portal",
        )
    try:
        told = msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        raise EventRefused("the delivery is signed, but is not JSON") from error
    rows = told.get("events") if isinstance(told, dict) else None
    return [event for row in rows or () if isinstance(row, dict) for event in _events(row, organisation)]


def _events(row: Mapping[str, Any], organisation: Organisation) -> list[Event]:
    modules = _MODULES.get(str(row.get("eventCategory")), ())
    data = row.get("data")
    if isinstance(data, Mapping):
        modules = _BY_TYPE.get(str(data.get("Type")), modules)
    record = str(row.get("resourceId") or "").lower()
    if not record or str(row.get("tenantId") or "").lower() != organisation.id.lower():
        return []
    mark = f"{record} {row.get('eventDateUtc')} {row.get('eventType')}"
    return [Event(module=module, record=record, id=mark) for module in modules]
