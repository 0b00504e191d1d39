"""Who brought a component."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Provenance(BaseModel):
    """Where a component comes from: the plugin's name, and the distribution that brought it."""

    model_config = ConfigDict(frozen=True)

    plugin: str
    distribution: str
    version: str
