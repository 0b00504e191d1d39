"""A plugin called so that it changes nothing around it."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
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


@contextlib.contextmanager
def guarded(blame: Callable[[BaseException], object]) -> Iterator[None]:
    """Call a plugin, kept apart, and tell what it raises: `sys.exit` is its fault like any other, Ctrl-C is not."""
    try:
        with kept_apart():
            yield
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        blame(error)
