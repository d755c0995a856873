"""How often a model is wrong where no truth comes: estimated from the confidence of its answers."""
