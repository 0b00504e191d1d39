"""The conformance kit: what plugin authors check their components with, a file for each kind."""
