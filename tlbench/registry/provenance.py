"""Who brought a component."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Provenance(BaseModel):
    """Where a component comes from."""

    model_config = ConfigDict(frozen=True)

    plugin: str = Field(description="Name of the plugin, as its entry point states it.")
    distribution: str = Field(
        description="Name of the distribution that brought the plugin; of a local plugin, its file or module."
    )
    version: str = Field(
        description="Version of that distribution; of a local plugin, the first 12 hex digits of `source_digest`."
    )
    source_digest: str | None = Field(
        None, description="SHA-256 over the plugin's Python files; null where an earlier release wrote the record."
    )
    local: bool = Field(
        False, description="Whether the plugin is not installed: a file, a module or objects that the run was given."
    )
