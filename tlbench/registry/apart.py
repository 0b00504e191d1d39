"""A plugin called so that it changes nothing around it."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

LONG_SECONDS = 10.0
"""What a plugin that registers factories alone never takes."""


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
def awaited(plugin: str, does: str) -> Iterator[None]:
    """Say on stderr which plugin is waited for, where it takes long: one that hangs can't be left out by itself."""
    said = (
        f"tlbench: plugin {plugin} {does} for {LONG_SECONDS:g} s by now; Ctrl-C ends the command, --no-plugin {plugin} "
        f"leaves an installed plugin out"
    )
    timer = threading.Timer(LONG_SECONDS, lambda: print(said, file=sys.stderr, flush=True))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


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
