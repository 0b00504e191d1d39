"""What `make strategies` has found: accuracies, their differences from full's, costs, and the page made of them."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path

import tlbench
from tlbench.api import Results
from tlbench.report import text
from tlbench.report.rows import Row
from tlbench.report.short import short
from tlbench.results.records import Record
from tlbench.stats import family, holm
from tlbench.stats.family import LEVEL

RESULTS = Path(__file__).parents[1] / "results"
PAGE = """# Strategies compared

Made from the committed runs `results/strategies` and `results/strategies-costs` by `python docs/generate.py`; repeat
them with `make strategies`.

Protocol of both: {protocol}. Data: `{dataset}`, so that a figure is a share of {test_images} test images.

# Accuracy

Test accuracy in per cent, mean over {seeds} seeds. Each seed of each strategy chose its learning rate on val among
three: {multiples} times the strategy's default; *rates* are those chosen. ±: distance from the accuracy to the farther
end of its 95 % interval, which includes the seeds and the test sample. *vs full*: points above or below `full` on the
same backbone, paired by seed and test image; bold where the verdict is better or worse ({level:.0%} level, Holm's
correction for all differences of this table; [how](difference.md)). *Passes*: training images processed, in multiples
of the protocol's epochs, for one rate. *Loss*: the training loss of the last epoch, penalties and softened targets
included, mean over backbones and seeds.

{accuracy}

{left_out}

# Costs

One seed, default rates, one trial at a time on an otherwise idle machine ({machine}). *Train* includes feature
extraction; *img/s* is end to end over Train.

{costs}

# What the runs show

{conclusions}
"""

CONCLUSIONS = """
At this budget ({epochs} epochs of {images} images for each of three rates, the rate chosen on val), {above}.
Significantly below it on both backbones: {both}. On one of the two alone: {one}.

Not significantly different from `full` on either: {alike}. That does not prove them equal: an interval of three
seeds is wide, and the smallest difference that is significant is {smallest:.1f} points, the
largest that is not {largest:.1f}. Some of these spend more than one pass for one rate: {costly}. Whether they
would beat a `full` that trains as long is another question, which `--budget passes` asks.

Frozen features are worth less at 48 px than near the size that the weights were trained at
([Measurement](measurement.md)): the distance between `freeze` and `full` is that of small grey images, far from
ImageNet, and no figure for photographs. One dataset, two CNNs of one kind, few images: large differences
(`freeze`, `scratch`, `prototype` against the rest) can be relied on for data of this kind; a ranking of the
methods that train the whole body can't be drawn from runs of this size.
"""


def page() -> str:
    """The whole page."""
    run, timed = tlbench.load("strategies", RESULTS), tlbench.load("strategies-costs", RESULTS)
    table = rows_of(run)
    apart = differences(table)
    first = run.records[0]
    cell = first.trial.cell
    return PAGE.format(
        protocol=text.protocol(cell.protocol, cell.device),
        dataset=short(cell.dataset),
        test_images=first.data.test_images if first.data else "the",
        seeds=len(seeds(run.records)),
        multiples=", ".join(f"{each.times:g}" for each in run.plan.request.tune if not isinstance(each, float)),
        level=LEVEL,
        accuracy=_accuracies(table, apart, losses(run.records)),
        left_out="\n\n".join(f"Left out: {each}." for each in run.plan.left_out),
        machine=_machine(timed.records[0]),
        costs=_costs(rows_of(timed)),
        conclusions=_conclusions(table, apart, run).strip(),
    )


Table = dict[str, dict[str, Row]]
"""Rows by strategy and backbone."""
Differences = dict[tuple[str, str], tuple[float, bool]]
"""By strategy and backbone: points of accuracy above the reference, and whether significantly."""


def rows_of(run: Results) -> Table:
    """The run's rows by the short names of strategy and backbone."""
    table: Table = {}
    for row in run.rows():
        table.setdefault(short(row.cell.strategy), {})[_backbone(row)] = row
    return table


def seeds(records: Sequence[Record]) -> set[int]:
    """The seeds of a run."""
    return {record.trial.seed for record in records}


def losses(records: Sequence[Record]) -> dict[str, float]:
    """The training loss of the last epoch, by strategy; a closed form has none."""
    found: dict[str, list[float]] = {}
    for record in records:
        if record.history:
            found.setdefault(short(record.trial.cell.strategy), []).append(record.history[-1].train_loss)
    return {strategy: statistics.fmean(each) for strategy, each in found.items()}


def differences(table: Table, reference: str = "full") -> Differences:
    """By strategy and backbone, how many points of accuracy it is above the reference, and whether significantly.

    The variances over seeds are moderated by those of all pairs of rows; p values are corrected for the comparisons of
    this table.
    """
    places = {(strategy, backbone): row for strategy, each in table.items() for backbone, row in each.items()}
    keys = [key for key in places if key[0] != reference and key[1] in table[reference]]
    numbers = {key: number for number, key in enumerate(places)}
    compared = family([row.sample for row in places.values()], "higher")
    found = {key: compared.pair(numbers[key], numbers[reference, key[1]]).difference for key in keys}
    corrected = holm({key: each.p_value for key, each in found.items()})
    return {
        key: (100 * each.value, p_value is not None and p_value < LEVEL)
        for (key, each), p_value in zip(found.items(), corrected.values(), strict=True)
    }


def _points(row: Row) -> float:
    assert row.primary is not None
    return 100 * row.primary.mean


def _backbone(row: Row) -> str:
    return short(row.cell.backbone).partition(":")[0]


def _order(table: Table) -> list[str]:
    """The strategies from the best mean over backbones."""
    return sorted(table, key=lambda strategy: -statistics.fmean(map(_points, table[strategy].values())))


def _accuracies(table: Table, apart: Differences, loss: dict[str, float]) -> str:
    backbones = list(table["full"])
    heads = [f"{backbone} | vs full | rates" for backbone in backbones]
    lines = [f"| strategy | {' | '.join(heads)} | passes | loss |", "| --- " * (3 + 3 * len(backbones)) + "|"]
    for strategy in _order(table):
        of_strategy = table[strategy]
        figures = [_figures(of_strategy.get(backbone), apart.get((strategy, backbone))) for backbone in backbones]
        row = next(iter(of_strategy.values()))
        if not any(backbone in of_strategy for backbone in backbones):
            figures[0] = _figures(row, None)
        passes = text.cells(row)["passes"]
        last = f"{loss[strategy]:.3f}" if strategy in loss else text.NOTHING
        lines.append(f"| {strategy} | {' | '.join(figures)} | {passes} | {last} |")
    return "\n".join(lines)


def _figures(row: Row | None, apart: tuple[float, bool] | None) -> str:
    if row is None or row.primary is None:
        return " | ".join([text.NOTHING] * 3)
    accuracy = f"{_points(row):.1f} ±{100 * (row.primary.half_width or 0):.1f}"
    difference = text.NOTHING
    if apart is not None:
        points, significant = apart
        difference = f"**{points:+.1f}**" if significant else f"{points:+.1f}"
    rates = ", ".join(f"{rate:g}" for rate in row.learning_rates) or text.NOTHING
    return f"{accuracy} | {difference} | {rates}"


def _costs(table: Table) -> str:
    backbones = list(table["full"])
    heads = [f"{backbone}: Train | img/s | memory" for backbone in backbones]
    lines = [f"| strategy | {' | '.join(heads)} |", "| --- " * (1 + 3 * len(backbones)) + "|"]
    for strategy, of_strategy in table.items():
        of_backbones = [of_strategy.get(backbone) for backbone in backbones]
        if any(of_backbones):
            lines.append(f"| {strategy} | {' | '.join(map(_spent, of_backbones))} |")
    return "\n".join(lines)


def _spent(row: Row | None) -> str:
    if row is None:
        return " | ".join([text.NOTHING] * 3)
    cells = text.cells(row)
    return " | ".join(cells[name] for name in (text.TRAIN, "images_per_second", "peak_memory_bytes"))


def _machine(record: Record) -> str:
    environment = record.environment
    return f"{environment['cpu']}, {environment['usable_cores']} cores" if environment else "not recorded"


def _conclusions(table: Table, apart: Differences, run: Results) -> str:
    """Which differences are beyond noise, at which budget, and what the runs can't say."""
    backbones = list(table["full"])
    by_strategy = {
        strategy: [apart[strategy, backbone] for backbone in backbones]
        for strategy in _order(table)
        if all((strategy, backbone) in apart for backbone in backbones)
    }
    above = [name for name, found in by_strategy.items() if any(points > 0 and clear for points, clear in found)]
    below = {
        number: [
            name for name, found in by_strategy.items() if sum(clear and each < 0 for each, clear in found) == number
        ]
        for number in (0, 1, 2)
    }
    alike = [name for name in below[0] if name not in above]
    significant, others = ([abs(each) for each, clear in apart.values() if clear is wanted] for wanted in (True, False))
    costly = [f"`{name}` {_passes(table[name]):.2g}" for name in alike if _passes(table[name]) > 1.5]
    images = run.records[0].data
    above_said = (
        f"significantly above `full` on a backbone are {_named(above)}"
        if above
        else "no strategy is significantly above `full` on either backbone"
    )
    return CONCLUSIONS.format(
        epochs=run.plan.cells[0].protocol.epochs,
        images=images.train_images if images else "the",
        above=above_said,
        both=_named(below[2]),
        one=_named(below[1]),
        alike=_named(alike),
        smallest=min(significant),
        largest=max(others),
        costly=", ".join(costly) or "none",
    )


def _named(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "none"


def _passes(of_strategy: dict[str, Row]) -> float:
    return next(iter(of_strategy.values())).figures["passes"] or 0.0
