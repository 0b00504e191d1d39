"""A run from request to records: what is found out before, its jobs, what is kept and told."""
