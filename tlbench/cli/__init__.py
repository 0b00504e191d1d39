"""The command line. `--help`, `list`, `show` and errors import no torch."""

from __future__ import annotations

import signal
import sys

from tlbench.errors import UserError


def main() -> None:
    """Run the command line: a user's mistake is one sentence on stderr and exit status 2."""
    from tlbench.cli.app import app, state

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        app()
    except UserError as error:
        if state.debug:
            raise
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:  # `tlbench list backbones | head`
        sys.stderr.close()
        sys.exit(141)
