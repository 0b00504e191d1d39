"""Where trials run: a local process each."""
