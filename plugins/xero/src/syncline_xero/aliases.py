"""What a payment or an allocation names, under the name that its module gives it.

Xero has one field ``Invoice`` for invoices and bills, and one field ``CreditNote`` for credit notes of
customers and of suppliers. A reference leads to one module, so each has two names here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: by the kind of payment, the field of Xero's and ours
_PAYMENTS: Mapping[str, tuple[str, str]] = {
    "ACCPAYPAYMENT": ("Invoice", "Bill"),
    "APCREDITPAYMENT": ("CreditNote", "SupplierCredit"),
}
_ON_THE_WIRE = {"Bill": "Invoice", "SupplierCredit": "CreditNote"}
#: Of these four a payment has one.
PAID_THINGS = ("Invoice", "Bill", "CreditNote", "SupplierCredit")


def from_wire(module: str, raw: Mapping[str, Any]) -> Mapping[str, Any]:
    """A row of Xero's with our names."""
    if module == "Payments" and isinstance(raw, Mapping):
        who = _who(raw)
        told = raw if who is None else {**raw, "Contact": who}
        theirs, ours = _PAYMENTS.get(str(raw.get("PaymentType")), ("", ""))
        return _renamed(told, {theirs: ours}) if theirs in raw else told
    if module == "SupplierCredits" and isinstance(raw, Mapping):
        held = raw.get("Allocations")
        if isinstance(held, list):
            return {**raw, "Allocations": [_renamed(entry, {"Invoice": "Bill"}) for entry in held]}
    return raw


def _who(raw: Mapping[str, Any]) -> Any:
    """The contact of what a payment pays, which Xero tells with the document."""
    documents = (raw.get(name) for name in ("Invoice", "CreditNote"))
    return next((d["Contact"] for d in documents if isinstance(d, Mapping) and d.get("Contact")), None)


def to_wire(module: str, element: Mapping[str, Any]) -> dict[str, Any]:
    """An element of ours with Xero's names."""
    return _renamed(element, _ON_THE_WIRE) if module == "Payments" else dict(element)


def allocation_to_wire(values: Mapping[str, Any]) -> dict[str, Any]:
    return _renamed(values, _ON_THE_WIRE)


def _renamed(values: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {names.get(name, name): value for name, value in values.items()}
