"""The demonstration: a story of two ledgers, played on live sandboxes."""
