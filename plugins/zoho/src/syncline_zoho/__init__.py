"""The connectors of Zoho's products for Syncline."""

__version__ = "0.1.0"
