"""The Xero connector for Syncline."""

__version__ = "0.1.0"
