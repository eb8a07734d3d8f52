"""A loopback server that behaves like Zoho Books, API v3."""

from syncline_zoho.books.sandbox.sandbox import ZohoBooksSandbox

__all__ = ["ZohoBooksSandbox"]
