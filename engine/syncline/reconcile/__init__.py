"""Pure decisions: match, merge, order."""
