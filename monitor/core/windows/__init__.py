"""Panes and sketches: what window rules remember."""
