"""A plugin called so that it changes nothing around it."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

LONG_SECONDS = 10.0
"""What a plugin that registers factories alone never takes."""
MOST_SECONDS, AGAIN_SECONDS = 60.0, 5.0
"""What is waited for it; and for what it does where the exception that ends it is caught by the plugin itself."""


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
    """Say on stderr which plugin is waited for, where it takes long, and raise TimeoutError in it where it hangs."""
    said = (
        f"tlbench: plugin {plugin} {does} for {LONG_SECONDS:g} s by now; after {MOST_SECONDS:g} s it is left out; "
        f"--no-plugin {plugin} leaves an installed plugin out at once"
    )
    timer = threading.Timer(LONG_SECONDS, lambda: print(said, file=sys.stderr, flush=True))
    timer.daemon = True
    timer.start()
    try:
        with _at_most(MOST_SECONDS, f"it {does} for {MOST_SECONDS:g} s"):
            yield
    finally:
        timer.cancel()


@contextlib.contextmanager
def _at_most(seconds: float, said: str) -> Iterator[None]:
    """Raise TimeoutError in what takes longer: by the alarm signal, so only in a main thread, and not on Windows."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return

    def stop(_number: int, _frame: object) -> None:
        raise TimeoutError(said)

    handler, begun = signal.signal(signal.SIGALRM, stop), time.monotonic()
    others_seconds, others_interval = signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        if others_seconds:  # another's alarm, a test's limit say, goes on
            left = max(0.001, others_seconds - (time.monotonic() - begun))
            signal.setitimer(signal.ITIMER_REAL, left, others_interval)


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
