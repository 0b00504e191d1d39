"""Who brought a component."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Provenance(BaseModel):
    """Where a component comes from."""

    model_config = ConfigDict(frozen=True)

    plugin: str = Field(description="Name of the plugin, as its entry point states it.")
    distribution: str = Field(description="Name of the distribution that brought the plugin.")
    version: str = Field(description="Version of that distribution.")
