"""Evidence that detection keeps its word: streams with known truth, systems that watch them, and honest counting."""
