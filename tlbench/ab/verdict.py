"""What the rounds so far say of each cost: a comparison as of two runs, by a test that may be looked at each time."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import replace

from tlbench.ab.rounds import Round
from tlbench.compare.change import Change
from tlbench.compare.changes import Comparison, compare
from tlbench.compare.gates import Gate, Judgement, judge
from tlbench.compare.pairs import paired
from tlbench.compare.side import Figure, Measured
from tlbench.stats.sequential import sequential
from tlbench.words import counted

HOW = (
    "Both sides run on this machine in turns, {rounds}. Costs are ratios within a round; their intervals and p hold at "
    "every look (anytime-valid t-test), with Bonferroni's correction for {number}. Metrics are those of the first "
    "round, paired by seed and test image."
)


def comparison_of(rounds: Sequence[Round], gates: Sequence[Gate], error_rate: float) -> Comparison:
    """The costs of all cells in all rounds, and the metrics of the first; raises UserError where cells are unlike.

    The error rate is that of all gates on costs of all cells together.
    """
    first = compare(rounds[0].base, rounds[0].head, changed_sources=True)
    in_rounds = [{cells[1].key: cells for cells in paired(each.base, each.head, True).pairs} for each in rounds]
    number = max(1, sum(gate.holds_for(pair) for gate in gates for pair in first.pairs))
    pairs = tuple(
        replace(
            pair,
            changes={name: change for name, change in pair.changes.items() if change.figure.metric}
            | _costs([cells[pair.head.key] for cells in in_rounds if pair.head.key in cells], error_rate, number),
        )
        for pair in first.pairs
    )
    how = HOW.format(rounds=counted(len(rounds), "round"), number=counted(number, "comparison"))
    return replace(first, pairs=pairs, how=how)


def _costs(pairs: Sequence[tuple[Measured, Measured]], error_rate: float, number: int) -> dict[str, Change]:
    figures = [figure for figure in pairs[0][1].figures if not figure.metric]
    found = {figure.name: _change(figure, pairs, error_rate, number) for figure in figures}
    return {name: change for name, change in found.items() if change is not None}


def _change(
    figure: Figure, pairs: Sequence[tuple[Measured, Measured]], error_rate: float, number: int
) -> Change | None:
    """The change of a cost over the rounds in which both sides have it; None where there is none."""
    values = [tuple(_middle(cell, figure.name) for cell in pair) for pair in pairs]
    both = [(base, head) for base, head in values if base is not None and head is not None]
    if not both:
        return None
    middle = statistics.median(base for base, _ in both), statistics.median(head for _, head in both)
    if figure.exact:
        return Change(figure, *middle, None, 1.0 if middle[0] == middle[1] else 0.0)
    if min(min(pair) for pair in both) <= 0:
        return Change(figure, *middle, None, None)
    found = sequential([math.log(head / base) for base, head in both], error_rate / number)
    interval = None if found.interval is None else (math.exp(found.interval[0]), math.exp(found.interval[1]))
    return Change(figure, *middle, interval, min(1.0, number * found.p_value), level=error_rate)


def _middle(cell: Measured, name: str) -> float | None:
    """A cost over the seeds of one run."""
    values = cell.values.get(name)
    return statistics.median(values.values()) if values else None


def open_gates(comparison: Comparison, gates: Sequence[Gate]) -> list[Judgement]:
    """The gates that no answer is known of yet: neither fallen, nor certainly held."""
    return [
        each
        for each in judge(comparison, gates)
        if not each.fell and each.change is not None and not _held(each.gate, each.change)
    ]


def _held(gate: Gate, change: Change) -> bool:
    """Whether all that the interval leaves possible is within the gate."""
    if change.figure.exact or change.figure.metric:  # more rounds of the same seeds say nothing new of these
        return True
    if change.interval is None or not change.base:
        return False
    low, high = change.interval
    worst = 1 - low if change.figure.better == "higher" else high - 1
    most = gate.most if gate.relative else gate.most_in(change.figure.unit) / abs(change.base)
    return worst <= most
