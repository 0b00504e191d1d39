"""Two installations compared on one machine, in turns, until the verdict is clear."""
