"""Syncline keeps business records the same in two systems that both get edited."""

__version__ = "0.1.0"
