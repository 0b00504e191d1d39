"""Two sets of results compared: cells paired by what they are, each change with its verdict, and gates for CI."""
