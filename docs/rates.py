"""What `make rates` has found: val accuracies by strategy and learning rate, and the page made of them."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path

import tlbench
from tlbench.report import text
from tlbench.report.short import short
from tlbench.results.records import Record

RESULTS = Path(__file__).parents[1] / "results"
PAGE = """# Default learning rates

Each strategy has its own default rate for each optimizer and family of backbones (`tlbench list strategies -v`,
[Strategies](strategies.md)): with one rate for all, a comparison would be one of rates. `--tune lr=A,B,…` lets every
strategy choose on val instead.

Those for CNNs with normalisation were chosen by the runs `results/rates` (AdamW) and `results/rates-sgd` (`make rates`;
this page is made from them by `python docs/generate.py`, and a test holds the defaults to them): {protocol}. One seed;
each figure is the mean accuracy in per cent on {images} validation images over the cells {cells}. The default is the
rate with the highest mean, bold. Strategies that are not listed take the rate of `full` (penalties on top of it,
averages of it, distillation). The rates of transformers and of CNNs without normalisation are not measured: their
sources are in [rates.py](../plugins/tlbench_strategies/rates.py) and [rates.py](../plugins/tlbench_peft/rates.py).

AdamW:

{table}

SGD with Nesterov's momentum of 0.9, all else as above:

{sgd}

# BatchNorm statistics

The same cells with statistics that move (`results/rates-batchnorm`, `--batchnorm train`) and frozen ones (`auto`, which
freezes them for so few steps): the best val accuracy over the rates tried, with the rate.

{batchnorm}
"""

Scores = dict[str, dict[float, float]]
"""Mean val accuracy by strategy and learning rate."""


def mean_scores(records: Sequence[Record]) -> Scores:
    """The mean over all cells of a strategy; a rate that diverged anywhere is left out."""
    found: dict[str, dict[float, list[float | None]]] = {}
    for record in records:
        of_strategy = found.setdefault(short(record.trial.cell.strategy), {})
        for each in record.tuning:
            of_strategy.setdefault(each.learning_rate, []).append(each.val)
    return {
        strategy: {rate: statistics.fmean(whole) for rate, values in rates.items() if (whole := _whole(values))}
        for strategy, rates in found.items()
    }


def chosen(scores: Scores) -> dict[str, float]:
    """The best rate of each strategy; of equals the lowest."""
    return {strategy: max(sorted(rates), key=rates.__getitem__) for strategy, rates in scores.items()}


def page() -> str:
    """The whole page."""
    run, sgd, moving = (tlbench.load(name, RESULTS) for name in ("rates", "rates-sgd", "rates-batchnorm"))
    cell, data = run.records[0].trial.cell, run.records[0].data
    cells = {f"{short(each.backbone)} on {short(each.dataset)}": None for each in run.plan.cells}
    return PAGE.format(
        protocol=text.protocol(cell.protocol, cell.device),
        images=data.val_images if data else "the",
        cells=", ".join(f"`{each}`" for each in cells),
        table=_table(mean_scores(run.records)),
        sgd=_table(mean_scores(sgd.records)),
        batchnorm=_batchnorm(run.records, moving.records),
    )


def _whole(values: list[float | None]) -> list[float]:
    whole = [each for each in values if each is not None]
    return whole if len(whole) == len(values) else []


def _table(scores: Scores) -> str:
    rates = sorted({rate for of_strategy in scores.values() for rate in of_strategy})
    best = chosen(scores)
    lines = [f"| strategy | {' | '.join(f'{rate:g}' for rate in rates)} |", "| --- " * (1 + len(rates)) + "|"]
    for strategy, found in scores.items():
        shown = [f"{100 * found[rate]:.1f}" if rate in found else text.NOTHING for rate in rates]
        bold = [f"**{each}**" if rate == best[strategy] else each for rate, each in zip(rates, shown, strict=True)]
        lines.append(f"| {strategy} | {' | '.join(bold)} |")
    return "\n".join(lines)


def best_candidates(records: Sequence[Record]) -> dict[tuple[str, str, str], tuple[float, float]]:
    """The best val accuracy and its rate, by strategy, backbone and dataset."""
    found = {}
    for record in records:
        cell = record.trial.cell
        tried = [(each.val, each.learning_rate) for each in record.tuning if each.val is not None]
        found[short(cell.strategy), short(cell.backbone), short(cell.dataset)] = max(tried)
    return found


def _batchnorm(frozen: Sequence[Record], moving: Sequence[Record]) -> str:
    still, move = best_candidates(frozen), best_candidates(moving)
    lines = ["| strategy | backbone | dataset | frozen | moving |", "| --- | --- | --- | --- | --- |"]
    for key, (accuracy, rate) in move.items():
        rested, rested_rate = still[key]
        lines.append(f"| {' | '.join(key)} | {100 * rested:.1f} ({rested_rate:g}) | {100 * accuracy:.1f} ({rate:g}) |")
    return "\n".join(lines)
