"""Runs a command with more arguments, which are split as a shell splits them: python with_words.py WORDS COMMAND…"""

from __future__ import annotations

import shlex
import subprocess
import sys

if __name__ == "__main__":
    words, *command = sys.argv[1:]
    try:
        arguments = shlex.split(words)
    except ValueError as error:
        sys.exit(f"error: {words!r} can't be split into arguments: {error}")
    sys.exit(subprocess.run([*command, *arguments], check=False).returncode)
