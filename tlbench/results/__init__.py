"""What a run leaves: the schema of its records, and the folder that they lie in."""
