"""Field maps compiled to functions."""
