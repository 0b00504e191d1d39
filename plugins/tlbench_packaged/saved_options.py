"""Which saved model."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from tlbench.contracts import Options


class SavedOptions(Options):
    """Where it lies."""

    path: Path = Field(description="the folder of a saved model: results/RUN/models/TRIAL_ID")
