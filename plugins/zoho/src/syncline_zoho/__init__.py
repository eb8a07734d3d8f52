"""The Zoho CRM connector for Syncline."""

__version__ = "0.1.0"
