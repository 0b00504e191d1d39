"""One job from nothing to its records: a trial, or several that are trained together."""
