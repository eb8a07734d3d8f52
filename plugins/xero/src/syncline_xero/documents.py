"""The documents that can be read and written, and the payments put against them.

Sales invoices and bills are one record type of Xero's and two modules here, as are credit notes to
customers and from suppliers: they differ in what they take, and a spec keeps them in step with different
things. Which state may follow which: Xero API documentation, Invoices (status codes). Of quotes and
purchase orders Xero publishes no such table; theirs is what its screens allow.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from syncline.connect import Capabilities, Field, FieldType, Reference, RemoteModule
from syncline_xero.fields import WRITABLE, choice, day, decimal, flag, link, ro, text

#: Of a state, those that a write may put in its place. PAID is the remote's own to reach.
LEDGER_MOVES: Mapping[str, tuple[str, ...]] = {
    "DRAFT": ("SUBMITTED", "AUTHORISED", "DELETED"),
    "SUBMITTED": ("DRAFT", "AUTHORISED", "DELETED"),
    "AUTHORISED": ("VOIDED",),
    "PAID": (),
    "VOIDED": (),
    "DELETED": (),
}
QUOTE_MOVES: Mapping[str, tuple[str, ...]] = {
    "DRAFT": ("SENT", "DELETED"),
    "SENT": ("DRAFT", "ACCEPTED", "DECLINED", "DELETED"),
    "ACCEPTED": ("SENT", "INVOICED", "DELETED"),
    "DECLINED": ("DRAFT", "DELETED"),
    "INVOICED": ("SENT", "DELETED"),
    "DELETED": (),
}
ORDER_MOVES: Mapping[str, tuple[str, ...]] = {
    "DRAFT": ("SUBMITTED", "AUTHORISED", "DELETED"),
    "SUBMITTED": ("DRAFT", "AUTHORISED", "DELETED"),
    "AUTHORISED": ("BILLED", "DELETED"),
    "BILLED": ("AUTHORISED",),
    "DELETED": (),
}


def _status(moves: Mapping[str, tuple[str, ...]]) -> Field:
    return replace(choice("Status", *moves, label="Status"), moves=moves)


_TRACKING = Field(
    name="Tracking",
    type=FieldType.LIST,
    label="Tracking, an option of a category",
    item_key="Name",
    fields=(
        choice("Name"),
        choice("Option"),
        ro("TrackingCategoryID"),
        ro("TrackingOptionID"),
    ),
)


def _lines(*, discounts: bool, required: bool = False) -> Field:
    cut = (
        decimal("DiscountRate", 4, clearable=True),
        decimal("DiscountAmount", 2, clearable=True),
    )
    return Field(
        name="LineItems",
        type=FieldType.LIST,
        label="Lines",
        item_id="LineItemID",
        required=required,
        fields=(
            ro("LineItemID"),
            Field(name="ItemCode", type=FieldType.REFERENCE, reference=Reference(module="Items", by="key")),
            text("Description", 4000),
            decimal("Quantity", 4),
            decimal("UnitAmount", 4),
            *(cut if discounts else ()),
            choice("AccountCode"),
            choice("TaxType"),
            decimal("TaxAmount", 2),
            decimal("LineAmount", 2, read_only=True),
            _TRACKING,
        ),
    )


_AMOUNTS = choice("LineAmountTypes", "Exclusive", "Inclusive", "NoTax", label="Amounts are")
_CURRENCY = (
    choice("CurrencyCode", label="Currency"),
    decimal("CurrencyRate", 6, label="Units of the currency for one of the base currency"),
)
_TOTALS = (
    decimal("SubTotal", 2, read_only=True),
    decimal("TotalTax", 2, read_only=True),
    decimal("Total", 2, read_only=True),
)
_PAYMENTS = Field(
    name="Payments",
    type=FieldType.LIST,
    read_only=True,
    item_id="PaymentID",
    fields=(
        ro("PaymentID"),
        ro("Date", FieldType.DATE),
        decimal("Amount", 2, read_only=True),
        ro("Reference"),
        decimal("CurrencyRate", 6, read_only=True),
    ),
)
_CHANGED = ro("UpdatedDateUTC", FieldType.INSTANT, label="Last change")
_ATTACHMENTS = ro("HasAttachments", FieldType.BOOLEAN)
_LEDGER = replace(WRITABLE, void=True, delete=True, deletions=True)
_PAID = (
    decimal("AmountDue", 2, read_only=True),
    decimal("AmountPaid", 2, read_only=True),
    decimal("AmountCredited", 2, read_only=True),
)

INVOICES = RemoteModule(
    name="Invoices",
    label="Sales invoices",
    capabilities=_LEDGER,
    fields=(
        ro("InvoiceID", label="Invoice ID"),
        choice("Type", "ACCREC", read_only=True),
        text("InvoiceNumber", 255, label="Number", unique=True),
        text("Reference", 255, label="Reference"),
        link("Contact", "Contacts", "ContactID", "Customer", ro("Name"), required=True),
        day("Date", "Date"),
        day("DueDate", "Due date"),
        day("ExpectedPaymentDate", "Expected payment"),
        _status(LEDGER_MOVES),
        _AMOUNTS,
        *_CURRENCY,
        _lines(discounts=True),
        choice("BrandingThemeID", label="Branding theme"),
        text("Url", 2000, label="Link shown in the ledger"),
        flag("SentToContact", "Has been sent"),
        *_TOTALS,
        decimal("TotalDiscount", 2, read_only=True),
        *_PAID,
        ro("IsDiscounted", FieldType.BOOLEAN),
        ro("FullyPaidOnDate", FieldType.DATE, label="Paid on"),
        _PAYMENTS,
        _ATTACHMENTS,
        _CHANGED,
    ),
)

BILLS = RemoteModule(
    name="Bills",
    label="Bills of suppliers",
    capabilities=_LEDGER,
    fields=(
        ro("InvoiceID", label="Bill ID"),
        choice("Type", "ACCPAY", read_only=True),
        # The supplier's own number: two suppliers may use the same one, and Xero shows it as the reference.
        text("InvoiceNumber", 255, label="Number of the supplier"),
        link("Contact", "Contacts", "ContactID", "Supplier", ro("Name"), required=True),
        day("Date", "Date"),
        day("DueDate", "Due date"),
        day("PlannedPaymentDate", "Planned payment"),
        _status(LEDGER_MOVES),
        _AMOUNTS,
        *_CURRENCY,
        _lines(discounts=False),
        text("Url", 2000, label="Link shown in the ledger"),
        *_TOTALS,
        *_PAID,
        ro("FullyPaidOnDate", FieldType.DATE, label="Paid on"),
        _PAYMENTS,
        _ATTACHMENTS,
        _CHANGED,
    ),
)


def _allocations(name: str, module: str, label: str) -> Field:
    return Field(
        name="Allocations",
        type=FieldType.LIST,
        label=label,
        item_id="AllocationID",
        fields=(
            ro("AllocationID"),
            link(name, module, "InvoiceID", "Set off against", ro("InvoiceNumber"), required=True),
            replace(decimal("Amount", 2), required=True),
            day("Date"),
        ),
    )


def _credits(
    name: str, label: str, kind: str, contact: str, *more: Field, allocations: Field
) -> RemoteModule:
    return RemoteModule(
        name=name,
        label=label,
        capabilities=replace(_LEDGER, read_ids_batch=1),
        fields=(
            ro("CreditNoteID", label="Credit note ID"),
            choice("Type", kind, read_only=True),
            *more,
            link("Contact", "Contacts", "ContactID", contact, ro("Name"), required=True),
            day("Date", "Date"),
            day("DueDate", "Due date"),
            _status(LEDGER_MOVES),
            _AMOUNTS,
            *_CURRENCY,
            _lines(discounts=False),
            choice("BrandingThemeID", label="Branding theme"),
            allocations,
            *_TOTALS,
            decimal("RemainingCredit", 2, read_only=True, label="Not yet used"),
            ro("FullyPaidOnDate", FieldType.DATE, label="Used up on"),
            ro("SentToContact", FieldType.BOOLEAN),
            _PAYMENTS,
            _ATTACHMENTS,
            _CHANGED,
        ),
    )


CREDIT_NOTES = _credits(
    "CreditNotes",
    "Credit notes to customers",
    "ACCRECCREDIT",
    "Customer",
    text("CreditNoteNumber", 255, label="Number", unique=True),
    text("Reference", 255, label="Reference"),
    allocations=_allocations("Invoice", "Invoices", "Invoices that it is set off against"),
)
SUPPLIER_CREDITS = _credits(
    "SupplierCredits",
    "Credit notes from suppliers",
    "ACCPAYCREDIT",
    "Supplier",
    # The supplier's own number, as on a bill.
    text("CreditNoteNumber", 255, label="Number of the supplier"),
    allocations=_allocations("Bill", "Bills", "Bills that it is set off against"),
)

QUOTES = RemoteModule(
    name="Quotes",
    label="Quotes",
    capabilities=replace(WRITABLE, read_ids_batch=1, delete=True, deletions=True),
    fields=(
        ro("QuoteID", label="Quote ID"),
        text("QuoteNumber", 255, label="Number", unique=True),
        text("Reference", 4000, label="Reference"),
        link("Contact", "Contacts", "ContactID", "Customer", ro("Name"), required=True),
        day("Date", "Date", required=True),
        day("ExpiryDate", "Good until"),
        _status(QUOTE_MOVES),
        # Here alone Xero spells these in capitals.
        choice("LineAmountTypes", "EXCLUSIVE", "INCLUSIVE", "NOTAX", label="Amounts are"),
        *_CURRENCY,
        _lines(discounts=True),
        text("Title", 100, label="Title"),
        text("Summary", 3000, label="Summary"),
        text("Terms", 4000, label="Terms"),
        choice("BrandingThemeID", label="Branding theme"),
        *_TOTALS,
        decimal("TotalDiscount", 2, read_only=True),
        _CHANGED,
    ),
)

PURCHASE_ORDERS = RemoteModule(
    name="PurchaseOrders",
    label="Purchase orders",
    capabilities=replace(WRITABLE, read_ids_batch=1, delete=True, deletions=True),
    fields=(
        ro("PurchaseOrderID", label="Purchase order ID"),
        text("PurchaseOrderNumber", 255, label="Number", unique=True),
        text("Reference", 255, label="Reference"),
        link("Contact", "Contacts", "ContactID", "Supplier", ro("Name"), required=True),
        day("Date", "Date"),
        day("DeliveryDate", "Delivery"),
        day("ExpectedArrivalDate", "Expected arrival"),
        _status(ORDER_MOVES),
        _AMOUNTS,
        *_CURRENCY,
        _lines(discounts=False, required=True),
        text("DeliveryAddress", 500, label="Delivery address"),
        text("AttentionTo", 255, label="Attention"),
        text("Telephone", 50, label="Telephone"),
        text("DeliveryInstructions", 500, label="Delivery instructions"),
        choice("BrandingThemeID", label="Branding theme"),
        flag("SentToContact", "Has been sent"),
        *_TOTALS,
        _ATTACHMENTS,
        _CHANGED,
    ),
)

PAYMENTS = RemoteModule(
    name="Payments",
    label="Payments of invoices, bills and credit notes",
    capabilities=Capabilities(
        create_batch=WRITABLE.create_batch,
        idempotency_s=WRITABLE.idempotency_s,
        returns_stored=True,
        delete=True,
        deletions=True,
    ),
    fields=(
        ro("PaymentID", label="Payment ID"),
        # One of the four is set: what was paid.
        link("Invoice", "Invoices", "InvoiceID", "Paid invoice", ro("InvoiceNumber")),
        link("Bill", "Bills", "InvoiceID", "Paid bill", ro("InvoiceNumber")),
        link("CreditNote", "CreditNotes", "CreditNoteID", "Refunded credit note", ro("CreditNoteNumber")),
        link(
            "SupplierCredit",
            "SupplierCredits",
            "CreditNoteID",
            "Refunded supplier's credit note",
            ro("CreditNoteNumber"),
        ),
        replace(link("Contact", "Contacts", "ContactID", "Who is named in it", ro("Name")), read_only=True),
        Field(
            name="Account",
            type=FieldType.OBJECT,
            label="Account that it went to or came from",
            required=True,
            fields=(replace(choice("Code", label="Account code"), required=True), ro("AccountID")),
        ),
        day("Date", "Date"),
        replace(decimal("Amount", 2, label="Amount, in the document's currency"), required=True),
        decimal("CurrencyRate", 6, label="Units of the currency for one of the base currency"),
        text("Reference", 255, label="Reference"),
        replace(flag("IsReconciled", "Is matched with a bank statement"), create_only=True),
        decimal("BankAmount", 2, read_only=True, label="Amount, in the account's currency"),
        choice("PaymentType", read_only=True),
        choice("Status", "AUTHORISED", "DELETED", read_only=True, label="Status"),
        ro("BatchPaymentID", label="Batch that it is part of"),
        _CHANGED,
    ),
)

DOCUMENTS = (
    INVOICES,
    BILLS,
    CREDIT_NOTES,
    SUPPLIER_CREDITS,
    QUOTES,
    PURCHASE_ORDERS,
    PAYMENTS,
)
