"""The systems that are compared, by name."""
