"""Rounds: both sides run the same cells one after the other, the order turned round each time (a b, b a, …)."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tlbench.ab.installation import Installation, environment_of
from tlbench.compare.of_run import side_of_run
from tlbench.compare.side import Side
from tlbench.errors import UserError
from tlbench.results.store import RunFolder

SIDES = ("base", "head")
OK, SOME_FAILED, INTERRUPTED = 0, 1, 130
"""Exit statuses of `tlbench run` after which there are records, or none are wanted."""


@dataclass(frozen=True)
class Round:
    """What both sides measured next to each other; `first` is the one that ran first."""

    number: int
    first: str
    base: Side
    head: Side
    seconds: float


@dataclass(frozen=True)
class Rounds:
    """Runs rounds of the same options on two installations; their runs lie under `folder`."""

    base: Installation
    head: Installation
    options: tuple[str, ...]
    folder: Path

    def check(self) -> None:
        """Have both sides look at the options; raises UserError with what a side says of them."""
        for side in SIDES:
            self._call(side, ["--dry-run", "--results", str(self.folder), "--name", f"{side}-check"])

    def round(self, number: int) -> Round:
        """Run the round of a number, from 0; raises UserError where a side can't run."""
        begun = time.monotonic()
        order = SIDES if number % 2 == 0 else SIDES[::-1]
        found = {side: self._measured(side, number) for side in order}
        return Round(number, order[0], found["base"], found["head"], time.monotonic() - begun)

    def _measured(self, side: str, number: int) -> Side:
        folder = RunFolder(self.folder / f"{side}-{number}")
        said = self._call(side, ["--results", str(self.folder), "--name", folder.path.name])
        if not folder.exists:
            raise self._unable(side, said)
        return side_of_run(folder, side)

    def _unable(self, side: str, said: str) -> UserError:
        installed: Installation = getattr(self, side)
        return UserError(f"{side} ({installed.name}) can't run this: {said.strip().removeprefix('error: ')}")

    def _call(self, side: str, own: Sequence[str]) -> str:
        """What the side says on stderr; raises UserError where it refuses."""
        installed: Installation = getattr(self, side)
        command = [str(installed.python), "-m", "tlbench", "run", *self.options, *own, "--quiet"]
        ended: subprocess.CompletedProcess[str] = subprocess.run(
            command, env=environment_of(installed.python), capture_output=True, text=True, check=False
        )
        if ended.returncode == INTERRUPTED:
            raise KeyboardInterrupt
        if ended.returncode not in (OK, SOME_FAILED):
            raise self._unable(side, ended.stderr or f"exit status {ended.returncode}")
        return ended.stderr
