"""Shift detection that keeps a page budget: how a value is seen, what is bet, and when a page is due."""
