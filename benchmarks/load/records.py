"""The records of the load server: two shapes of one company, 1.6 kB each, told apart by a number alone."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

FIRST = datetime(2026, 1, 1, tzinfo=UTC)
#: Stand in a template for the number of a record, in seven digits, and for its last change.
NUMBER, CHANGED = "9999999", "@changed@"

#: What real records have and no map reads.
_REST = {
    "owner": {"id": "u-004521", "name": "Alexandra Papadopoulos", "email": "alexandra@sales.example"},
    "created_by": {"id": "u-000017", "name": "Web form", "email": "forms@sales.example"},
    "tags": ["retail", "newsletter-2025", "trade-show-melbourne"],
    "description": " ".join(["Prefers deliveries on weekday mornings; call ahead."] * 9),
    "shipping": {"street": "Dock 4, 220 Harbour Esplanade", "city": "Docklands", "postcode": "3008"},
    "custom_fields": [{"name": f"custom_{n}", "value": f"value {n} of this record"} for n in range(8)],
}
_ADDRESS = {"street": f"{NUMBER} George Street", "city": "Sydney", "postcode": "2000"}

#: How the CRM and the books tell of the company; CREDIT is a decimal in one and whole cents in the other.
SHAPES: dict[str, dict[str, Any]] = {
    "accounts": {
        "id": NUMBER,
        "modified": CHANGED,
        "name": f"Company {NUMBER} Pty Ltd",
        "email": f"office@company-{NUMBER}.example",
        "phone": f"+61 2 {NUMBER}",
        "website": f"https://company-{NUMBER}.example/",
        "tax_number": f"51824{NUMBER}",
        "address": _ADDRESS,
        "country": "au",
        "active": True,
        "terms": 30,
        "credit": "@credit@",
        **_REST,
    },
    "customers": {
        "id": NUMBER,
        "modified": CHANGED,
        "display_name": f"Company {NUMBER} Pty Ltd",
        "email_address": f"office@company-{NUMBER}.example",
        "phone": f"+61 2 {NUMBER}",
        "web": f"https://company-{NUMBER}.example/",
        "tax": f"51824{NUMBER}",
        "billing": _ADDRESS,
        "country_code": "AU",
        "status": "ACTIVE",
        "payment_terms": "NET 30",
        "credit_cents": "@credit@",
        **_REST,
    },
}
_CREDIT = {"accounts": f"{NUMBER}.25", "customers": f"{NUMBER}25"}
_TEMPLATES = {
    shape: json.dumps(values, separators=(",", ":")).replace('"@credit@"', f"1{_CREDIT[shape]}").encode()
    for shape, values in SHAPES.items()
}


def shape_of(module: str) -> str:
    """``accounts2`` and ``accounts3`` look like ``accounts``."""
    return module.rstrip("0123456789")


def stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def record_bytes(shape: str, number: int) -> bytes:
    """The record as JSON. Every record has a second of its own as its last change."""
    text = _TEMPLATES[shape].replace(NUMBER.encode(), b"%07d" % number)
    return text.replace(CHANGED.encode(), stamp(FIRST + timedelta(seconds=number)).encode())
