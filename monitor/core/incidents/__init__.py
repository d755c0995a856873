"""Incidents: what a person handles."""
