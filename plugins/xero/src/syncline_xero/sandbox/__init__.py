"""A loopback server that behaves like Xero."""

from syncline_xero.sandbox.remote import XeroSandbox

__all__ = ["XeroSandbox"]
