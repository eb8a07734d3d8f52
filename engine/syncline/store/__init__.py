"""Everything remembered, in SQL."""
