"""Which records Xero would refuse to change, known before the call.

Sources: Xero API documentation, Invoices: status codes, and "Editing paid and part paid invoices";
Contacts: archived contacts; Payments: deleting a payment. Of credit notes that have been used, invoiced
quotes and billed orders nothing is written down that they would take: they count as closed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from syncline.connect import Lock, RemoteModule, Values

#: What a paid or part-paid invoice still takes. Of its lines it takes descriptions, accounts and tracking,
#: which cannot be said of a whole list, so lines are not among these.
PAID_EDITABLE = frozenset(
    {"Reference", "DueDate", "InvoiceNumber", "BrandingThemeID", "Contact", "Url", "PlannedPaymentDate"}
)
_NOUNS = {
    "Invoices": "invoice",
    "Bills": "bill",
    "CreditNotes": "credit note",
    "SupplierCredits": "credit note",
    "Quotes": "quote",
    "PurchaseOrders": "order",
    "Payments": "payment",
}


def lock_of(
    module: RemoteModule, values: Values, raw: Mapping[str, Any], lock_until: str | None = None
) -> Lock | None:
    """Why a record is closed, or ``None``. ``raw``: as Xero sent it; ``lock_until``: books are locked up to
    this day (YYYY-MM-DD)."""
    if module.name == "Contacts":
        return _contact_lock(values)
    noun = _NOUNS.get(module.name)
    if noun is None:
        return None
    if values.get("Status") in ("VOIDED", "DELETED"):
        return Lock(reason=f"the {noun} is {str(values['Status']).lower()}")
    match module.name:
        case "Payments":
            return _payment_lock(values)
        case "Quotes":
            lock = _closed_by(values, "INVOICED", "the quote is invoiced", "Status")
        case "PurchaseOrders":
            lock = _closed_by(values, "BILLED", "the order is billed", "Status", "SentToContact")
        case _:
            lock = _ledger_lock(module.name, noun, values, lock_until)
    return lock or _contact_archived(module, values, raw)


def _contact_lock(values: Values) -> Lock | None:
    status = values.get("ContactStatus")
    if status == "ARCHIVED":
        if values.get("MergedToContactID"):
            return Lock(reason="the contact was merged into another one")
        return Lock(reason="the contact is archived; restore it to change it")
    if status == "GDPRREQUEST":
        return Lock(reason="the contact is closed by a privacy request")
    return None


def _ledger_lock(module: str, noun: str, values: Values, lock_until: str | None) -> Lock | None:
    status, day = values.get("Status"), values.get("Date")
    if status in ("AUTHORISED", "PAID") and lock_until and day and day <= lock_until:
        return Lock(reason=f"the books are locked up to {lock_until}")
    if module in ("CreditNotes", "SupplierCredits"):
        if status == "PAID" or values.get("Allocations") or values.get("Payments"):
            return Lock(
                reason="the credit note has been set off or paid out", editable=frozenset({"Allocations"})
            )
        return None
    # What a credit note pays stays with its contact.
    editable = PAID_EDITABLE - {"Contact"} if values.get("AmountCredited") else PAID_EDITABLE
    if status == "PAID":
        return Lock(reason=f"the {noun} is paid", editable=editable)
    if values.get("AmountPaid") or values.get("AmountCredited"):
        return Lock(reason=f"the {noun} is part paid", editable=editable)
    return None


def _payment_lock(values: Values) -> Lock:
    if values.get("IsReconciled"):
        return Lock(reason="the payment is reconciled with a bank statement")
    if values.get("BatchPaymentID"):
        return Lock(reason="the payment is part of a batch")
    return Lock(reason="a payment is never changed, only deleted and made anew")


def _closed_by(values: Values, status: str, reason: str, *editable: str) -> Lock | None:
    if values.get("Status") != status:
        return None
    return Lock(reason=reason, editable=frozenset(editable))


def _contact_archived(module: RemoteModule, values: Values, raw: Mapping[str, Any]) -> Lock | None:
    """A document of an archived contact is not approved; some lists tell the contact's state."""
    contact = raw.get("Contact")
    if not isinstance(contact, Mapping) or contact.get("ContactStatus") != "ARCHIVED":
        return None
    if values.get("Status") not in ("DRAFT", "SUBMITTED"):
        return None
    names = frozenset(f.name for f in module.fields if not f.read_only and f.name != "Status")
    return Lock(reason="its contact is archived, so it cannot be approved", editable=names)
