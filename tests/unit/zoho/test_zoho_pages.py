"""Where a person sees a record of Zoho's."""

from __future__ import annotations

import pytest

from syncline_zoho.datacenters import find_hosts
from syncline_zoho.pages import books_pages, crm_pages


@pytest.mark.parametrize(
    ("options", "page"),
    [
        pytest.param({}, "https://crm.zoho.com/crm/org7/tab/SalesOrders/{id}", id="in the US"),
        pytest.param(
            {"data_center": "ca"}, "https://crm.zohocloud.ca/crm/org7/tab/SalesOrders/{id}", id="in Canada"
        ),
        pytest.param({"base_url": "http://127.0.0.1:1"}, None, id="a sandbox has no screens"),
    ],
)
def test_a_page_of_the_crm(options: dict[str, str], page: str | None) -> None:
    assert crm_pages(find_hosts(options), "7", ["Sales_Orders"]).get("Sales_Orders") == page


def test_a_page_of_the_books() -> None:
    pages = books_pages(find_hosts({"data_center": "au"}), "9", ["invoices"])
    assert pages == {"invoices": "https://books.zoho.com.au/app/9#/invoices/{id}"}
