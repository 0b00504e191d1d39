"""Runs of nights, made of records."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from made_runs import Runs

FIRST = datetime(2026, 3, 1, 2, 30, tzinfo=UTC)


def night(number: int) -> datetime:
    """When the run of a night starts."""
    return FIRST + timedelta(days=number)


def write_night(runs: Runs, number: int, accuracy: float = 0.9, **changes: Any) -> None:
    """The run of a night: a cell that is right so often."""
    runs.write(f"night-{number:02}", {"x": accuracy}, started=night(number), **changes)
