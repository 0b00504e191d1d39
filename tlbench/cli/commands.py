"""All commands: each module adds its own to `app`."""

from __future__ import annotations

from tlbench.cli import cache, compare, doctor, history, list, merge, predict, resume, show
from tlbench.cli.app import app, state

__all__ = ["app", "cache", "compare", "doctor", "history", "list", "merge", "predict", "resume", "show", "state"]
