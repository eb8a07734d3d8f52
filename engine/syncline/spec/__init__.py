"""The spec: YAML in, checked and typed values out."""
