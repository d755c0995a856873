"""The deterministic core: no I/O, no clock, no randomness, no logging. Only `observe` mutates, and only the bank."""
