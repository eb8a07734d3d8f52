"""Passes that wire the rooms together."""
