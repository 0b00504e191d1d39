"""All commands: each module adds its own to `app`."""

from __future__ import annotations

from tlbench.cli import (
    ab,
    cache,
    compare,
    doctor,
    history,
    list,
    merge,
    plugin,
    plugin_new,
    predict,
    report,
    resume,
    show,
)
from tlbench.cli.app import app, state

__all__ = [
    "ab",
    "app",
    "cache",
    "compare",
    "doctor",
    "history",
    "list",
    "merge",
    "plugin",
    "plugin_new",
    "predict",
    "report",
    "resume",
    "show",
    "state",
]
