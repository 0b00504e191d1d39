"""What comparing the rows of a table has found, in words."""

from __future__ import annotations

from collections.abc import Iterator

from tlbench.contracts.task import Unit
from tlbench.report import text
from tlbench.report.names import pair
from tlbench.report.tables import DatasetTable, Group
from tlbench.results.column import POINTS
from tlbench.stats.power import power
from tlbench.words import counted, listed

POINT = 0.01
"""A point of a share."""


def compared(table: DatasetTable) -> list[str]:
    """What the ranks of a table mean, who is practically as good as the best, and what the run could have found."""
    lines = []
    several = [group for group in table.groups if len(group.numbers) > 1]
    if table.ranked:
        pairs = sum(len(group.family.pairs) for group in several)
        corrected = f", Holm's correction for {counted(pairs, 'comparison')}" if pairs > 1 else ""
        how = "paired by seed and test image" if _paired(several) else "by the spread over seeds and test images"
        rank = (
            "rows that share a letter are not told apart; the best has an a"
            if all(group.lettered for group in several)
            else "from 1 and the number of rows that are better to the number of those that are not worse"
        )
        groups = " The number before it is that of a group of comparable rows." if len(several) > 1 else ""
        lines.append(f"Rank: {rank} ({how}, 5 % level{corrected}).{groups}")
    for group in several:
        lines += [*_margin(table, group), *_power(table, group)]
    return lines


def difference(value: float, interval: tuple[float, float] | None, unit: Unit) -> str:
    """A difference with its interval: points for what is a share, the metric's own unit for others."""
    written = f"{signed(value, unit)}{' points' if unit in POINTS else ''}"
    return written if interval is None else f"{written} ({' to '.join(signed(each, unit) for each in interval)})"


def signed(value: float, unit: Unit) -> str:
    """A difference with its sign."""
    return f"{100 * value:+.1f}" if unit in POINTS else f"{value:+.3g}"


def p_value(value: float | None) -> str:
    """A p value; those below a thousandth as a bound."""
    return "" if value is None else "p < 0.001" if value < 0.001 else f"p = {value:.3f}"


def beside_the_best(table: DatasetTable) -> Iterator[str]:
    """Each row compared with the best of its group."""
    if table.ranked:
        corrected = "p after Holm's correction"
        yield f"Beside the best of comparable rows (95 % interval of the difference; {corrected}):"
    for group in table.groups if table.ranked else ():
        for number in group.numbers[1:]:
            row, found = table.rows[number], group.with_best(number)
            apart = difference(found.difference.value, found.difference.interval, row.metric.unit)
            said = ", ".join(filter(None, [apart, p_value(found.p_value)]))
            yield f"  {pair(row)}: {said}: {found.verdict}"


def _paired(groups: list[Group]) -> bool:
    return all(found.difference.paired for group in groups for found in group.family.pairs.values())


def _margin(table: DatasetTable, group: Group) -> Iterator[str]:
    """Which rows are practically as good as the best, with a declared margin."""
    if table.margin is None:
        return
    best = table.rows[group.numbers[0]]
    equal = [number for number in group.numbers[1:] if group.with_best(number).verdict == "practically equal"]
    named = listed([pair(table.rows[number]) for number in equal], 10) if equal else "no other row"
    within = _amount(table.margin, best.metric.unit)
    yield f"Practically equal to {pair(best)}, the best (less than {within} from it, two one-sided tests): {named}."


def _power(table: DatasetTable, group: Group) -> Iterator[str]:
    """What the run could have found, and what it would take to find a point."""
    metric = table.rows[group.numbers[0]].metric
    share = metric.unit in POINTS
    neighbours = [group.family.pair(place, place + 1).difference for place in range(len(group.numbers) - 1)]
    found = power(neighbours, len(group.family.pairs), POINT)
    if found is None:
        return
    smallest = _amount(found.smallest, metric.unit)
    line = f"Smallest difference of neighbours in rank that is found in 80 % of cases: {smallest}."
    if share and found.smallest > POINT:
        seeds = None if found.seeds is None else counted(found.seeds, "seed")
        images = None if found.examples is None else counted(found.examples, "test image")
        takes = ", or ".join(each for each in (seeds, images) if each) or "more seeds and more test images"
        line += f" To find one of 1 point takes {takes}."
    if all(row.primary is None or row.primary.n == 1 for row in (table.rows[number] for number in group.numbers)):
        line += " With one seed, rows are told apart as trained models: the spread over seeds is unknown (--seeds 3)."
    yield line


def _amount(value: float, unit: Unit) -> str:
    return f"{100 * value:.2g} points" if unit in POINTS else text.number(value)
