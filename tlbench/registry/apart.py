"""A plugin called so that it changes nothing around it."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def kept_apart() -> Iterator[None]:
    """Call a plugin so that what it prints goes to stderr, and the working directory stays."""
    here = Path.cwd()
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        os.chdir(here)
