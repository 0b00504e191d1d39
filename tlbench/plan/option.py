"""An option of a run, declared once: flag, configuration key, keyword, help and documentation are made from it."""

from __future__ import annotations

from typing import Any

from pydantic import Field


def option(
    default: object, help: str, *, metavar: str | None = None, shown: str | None = None, **constraints: Any
) -> Any:
    """A field of a request. `shown` says what None or an empty default stands for; `constraints` are pydantic's."""
    return Field(default, description=help, json_schema_extra={"metavar": metavar, "shown": shown}, **constraints)
