"""The standard fields of Zoho CRM's modules, as data files in the form of its own fields API.

A field is a dict with the keys of Zoho CRM API v8, Fields Metadata (``api_name``, ``data_type``,
``length``, ``lookup``...), short of those that can be derived; ``read_only`` stands for
an ``operation_type`` that is false throughout; ``pick_list_values`` is a list of texts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

import msgspec
from msgspec import Struct

RawField = Mapping[str, Any]

MODULES = (
    "Accounts",
    "Contacts",
    "Products",
    "Invoices",
    "Vendors",
    "Quotes",
    "Sales_Orders",
    "Purchase_Orders",
    "Price_Books",
)
#: the lines of the inventory documents, of which the remote computes totals
SUBFORMS = ("Invoiced_Items", "Quoted_Items", "Ordered_Items", "Purchase_Items")
_CUSTOM = "custom_module"


class StandardModule(Struct, frozen=True, kw_only=True):
    """``head``: what the modules API says of it; ``fields``: in the order of the layout."""

    name: str
    head: Mapping[str, Any]
    fields: Sequence[RawField]


def load_module(name: str) -> StandardModule:
    """Read one module's data file; raises ``FileNotFoundError`` for a module that is not supported."""
    raw = (resources.files("syncline_zoho.crm") / "data" / f"{name}.json").read_bytes()
    content = msgspec.json.decode(raw)
    return StandardModule(name=name, head=content["module"], fields=content["fields"])


def load_custom(name: str, label: str = "") -> StandardModule:
    """A custom module as every one of them begins: the fields that the remote gives it, ``Name`` first."""
    begun = load_module(_CUSTOM)
    label = label or name.replace("_", " ")
    told = {"api_name": name, "module_name": name, "singular_label": label, "plural_label": label}
    head = {**begun.head, **told}
    return StandardModule(name=name, head=head, fields=begun.fields)


def load_modules() -> dict[str, StandardModule]:
    """Every supported module and subform module, by API name."""
    return {name: load_module(name) for name in (*MODULES, *SUBFORMS)}
