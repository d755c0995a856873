"""Events that wait for their truth, as columns: about 55 bytes each for three columns."""
