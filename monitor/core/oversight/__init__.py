"""Oversight: what people may do beyond handling an incident: gates and overrides."""
