"""Where downloaded datasets lie."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

VARIABLE = "TLBENCH_DATA_ROOT"


def data_root() -> Path:
    """The data root: `--data-root` or $TLBENCH_DATA_ROOT, else the platform's folder for user data."""
    return Path(os.environ.get(VARIABLE) or Path(platformdirs.user_data_dir("tlbench")) / "data").expanduser()
