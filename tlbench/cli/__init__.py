"""The command line. `--help`, `list`, `show` and errors import no torch."""

from __future__ import annotations

import os
import signal
import sys

from tlbench.errors import UserError
from tlbench.words import printable


def main() -> None:
    """Run the command line: a user's mistake is one sentence on stderr and exit status 2."""
    from tlbench.cli.commands import app, state

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]  # a terminal may know fewer characters
    try:
        try:
            app()
        finally:
            sys.stdout.flush()
    except UserError as error:
        if state.debug:
            raise
        _leave(f"error: {printable(str(error))}", 2)
    except KeyboardInterrupt:
        _leave("interrupted", 130)
    except BrokenPipeError:  # `tlbench list backbones | head`
        sys.stderr.close()
        os._exit(141)
    except OSError as error:
        if state.debug:
            raise
        where = "the output can't be written" if error.filename is None else str(error.filename)
        _leave(f"error: {printable(where)}: {error.strerror or error}", 2)


def _leave(said: str, status: int) -> None:
    print(said, file=sys.stderr)
    try:
        sys.stdout.flush()
    except OSError:  # the disk is full: what is left can't be written, and would be tried again at the end
        os._exit(status)
    sys.exit(status)
