"""The course of an A/B comparison: rounds while a gate's verdict is open, and a rerun of a regression found."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from tlbench.ab.rounds import Round
from tlbench.ab.verdict import comparison_of, open_gates
from tlbench.compare.changes import Comparison
from tlbench.compare.gates import Gate, Judgement, judge

FEWEST_ROUNDS = 3
UNDECIDED = "undecided"


@dataclass(frozen=True)
class Budget:
    """When to stop without a verdict; the seconds are those of a series of rounds."""

    seconds: float
    rounds: int
    error_rate: float


@dataclass(frozen=True)
class Series:
    """Rounds, and what they say. `undecided` are the gates whose verdict was open when the budget was spent."""

    rounds: tuple[Round, ...]
    comparison: Comparison
    judgements: tuple[Judgement, ...]
    undecided: tuple[Judgement, ...]


@dataclass(frozen=True)
class Outcome:
    """The series that was run first, and its rerun where a gate fell in it."""

    first: Series
    rerun: Series | None = None
    confirmed: tuple[Judgement, ...] = ()
    """The gates that fell in both."""


Tell = Callable[[str], object]
Run = Callable[[int], Round]
"""Runs the round of a number, from 0."""


def carry_out(run: Run, gates: Sequence[Gate], budget: Budget, tell: Tell) -> Outcome:
    """Run rounds until each gate has fallen or certainly held, or the budget is spent; then those that fell again.

    Raises UserError where a side can't run, or the two can't be compared.
    """
    first = series(run, 0, gates, budget, tell)
    fallen = [each for each in first.judgements if each.fell]
    if not fallen:
        return Outcome(first)
    tell(f"{len(fallen)} gates fell; measuring again" if len(fallen) > 1 else "a gate fell; measuring again")
    rerun = series(run, len(first.rounds), list(dict.fromkeys(each.gate for each in fallen)), budget, tell)
    again = {(each.gate, each.pair.name) for each in rerun.judgements if each.fell}
    return Outcome(first, rerun, tuple(each for each in fallen if (each.gate, each.pair.name) in again))


def series(run: Run, begin: int, gates: Sequence[Gate], budget: Budget, tell: Tell) -> Series:
    """Rounds from a number on, until no verdict is open or the budget is spent."""
    done: list[Round] = []
    for each in _within(budget, run, begin):
        done.append(each)
        found = comparison_of(done, gates, budget.error_rate)
        left = open_gates(found, gates)
        enough = len(done) >= FEWEST_ROUNDS
        tell(_said(each, done, found, gates, left if enough else None))
        if enough and not left:
            break
    judged = (replace(each, why=UNDECIDED) if each in left else each for each in judge(found, gates))
    return Series(tuple(done), found, tuple(judged), tuple(left))


def _within(budget: Budget, run: Run, begin: int) -> Iterator[Round]:
    """Rounds while the next one is expected to fit into the budget; one in any case."""
    started = time.monotonic()
    for place in range(budget.rounds):
        if place and (time.monotonic() - started) * (place + 1) / place > budget.seconds:
            return
        yield run(begin + place)


def _said(
    each: Round, done: Sequence[Round], found: Comparison, gates: Sequence[Gate], left: Sequence[Judgement] | None
) -> str:
    """A line of progress: the first gated cost of each round, and how many verdicts are open."""
    gate = gates[0]
    changes = [pair.changes[gate.name] for pair in found.pairs if gate.holds_for(pair) and gate.name in pair.changes]
    ratios = ", ".join(f"{change.head / change.base:.3f}" for change in changes[:4] if change.base)
    state = "" if left is None else f"; {len(left)} open" if left else "; decided"
    return f"round {len(done)} ({each.first} first, {each.seconds:.0f} s): {gate.name} head/base {ratios}{state}"
