"""The hooks of this distribution."""
