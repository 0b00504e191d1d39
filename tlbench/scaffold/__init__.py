"""A new plugin package, written from templates that are a working package themselves."""
