"""Cells over past runs: their figures in series of what is alike, and where these change."""
