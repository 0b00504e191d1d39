"""Images decoded once, split, and served as batches."""
