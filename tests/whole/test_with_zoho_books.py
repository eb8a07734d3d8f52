"""Xero with Zoho Books, two ledgers in step: the made-up business, and then nothing to write."""

from __future__ import annotations

from pathlib import Path

from tests.support.stage import Stage

SPEC = """
spec: 1
name: ledgers
extends: xero-zoho-books
systems:
  ledger:
    base_url: ${env:XERO_BASE_URL}
    client_id: ${env:XERO_CLIENT_ID}
    client_secret: ${env:XERO_CLIENT_SECRET}
  billing:
    base_url: ${env:ZOHO_BOOKS_BASE_URL}
    client_id: ${env:ZOHO_BOOKS_CLIENT_ID}
    client_secret: ${env:ZOHO_BOOKS_CLIENT_SECRET}
"""


def test_two_ledgers_come_to_rest(tmp_path: Path) -> None:
    systems = {"billing": "zoho-books", "ledger": "xero"}
    with Stage(tmp_path, data="demo", spec=SPEC, systems=systems) as stage:
        stage.connect()
        first = stage.sync(code=None)
        assert first["problems"] == {}
        linked = {name: module["linked"] for name, module in first["modules"].items()}
        assert (linked["companies"], linked["products"], linked["invoices"]) == (300, 135, 566)
        made = {name: module["created"] for name, module in first["modules"].items()}
        for name in ("vendors", "quotes", "bills", "purchase_orders", "credit_notes"):
            assert made[name]["billing"] > 0, name
            assert made[name]["ledger"] > 0, name
        stage.sync(code=None)
        stage.forget_requests()
        stage.sync(code=None)
        assert stage.writes() == 0, {name: system.requests() for name, system in stage.systems.items()}
