"""Scores of rows of several columns, by a model that learned the first half of a reference and learns no more."""
