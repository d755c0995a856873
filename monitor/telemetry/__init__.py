"""What the daemon says of itself to machines: metrics and logs.

The front and the engine each count in a registry of their own, with no name in common. The engine leaves its numbers
in a small file; the front's /metrics is its own exposition and, behind it, the engine's.
"""
