"""Measurements. Everything printed here was measured in the same run."""
