"""Which records Xero would refuse to change, known before the call.

Sources: Xero API documentation, Invoices: status codes, and "Editing paid and part paid invoices";
Contacts: archived contacts.
"""

from __future__ import annotations

from syncline.connect import Lock, Values

#: What a paid or part-paid invoice still takes. Of its lines it takes descriptions, accounts and tracking,
#: which cannot be said of a whole list, so lines are not among these.
PAID_EDITABLE = frozenset(
    {"Reference", "DueDate", "InvoiceNumber", "BrandingThemeID", "Contact", "Url", "PlannedPaymentDate"}
)


def lock_of(module: str, values: Values, lock_until: str | None = None) -> Lock | None:
    """Why a record is closed, or ``None``. ``lock_until``: books are locked up to this day (YYYY-MM-DD)."""
    if module == "Contacts":
        return _contact_lock(values)
    if module == "Invoices":
        return _invoice_lock(values, lock_until)
    return None


def _contact_lock(values: Values) -> Lock | None:
    status = values.get("ContactStatus")
    if status == "ARCHIVED":
        if values.get("MergedToContactID"):
            return Lock(reason="the contact was merged into another one")
        return Lock(reason="the contact is archived; restore it to change it")
    if status == "GDPRREQUEST":
        return Lock(reason="the contact is closed by a privacy request")
    return None


def _invoice_lock(values: Values, lock_until: str | None) -> Lock | None:
    status = values.get("Status")
    if status == "VOIDED":
        return Lock(reason="the invoice is voided")
    if status == "DELETED":
        return Lock(reason="the invoice is deleted")
    day = values.get("Date")
    if status in ("AUTHORISED", "PAID") and lock_until and day and day <= lock_until:
        return Lock(reason=f"the books are locked up to {lock_until}")
    if status == "PAID":
        return Lock(reason="the invoice is paid", editable=PAID_EDITABLE)
    if values.get("AmountPaid") or values.get("AmountCredited"):
        return Lock(reason="the invoice is part paid", editable=PAID_EDITABLE)
    return None
