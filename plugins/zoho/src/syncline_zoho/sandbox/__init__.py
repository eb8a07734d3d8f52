"""What the sandboxes of Zoho's products share: the accounts server."""

from syncline_zoho.sandbox.accounts import AccessToken, AccountsServer, Client

__all__ = ["AccessToken", "AccountsServer", "Client"]
