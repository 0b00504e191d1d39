"""Models that trials leave: written, rebuilt without unpickling anything, and asked."""
