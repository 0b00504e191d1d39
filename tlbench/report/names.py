"""Rows by name."""

from __future__ import annotations

from tlbench.report.rows import Row


def pair(row: Row) -> str:
    """A row's name."""
    return f"{row.backbone} × {row.strategy}"
