"""The loopback Zoho CRM."""

from syncline_zoho.crm.sandbox.sandbox import ZohoCrmSandbox

__all__ = ["ZohoCrmSandbox"]
