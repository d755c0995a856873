"""Where events come from other than our own door."""
