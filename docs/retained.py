"""The table of docs/sources.md on what strategies keep of the source, from the committed run `results/retention`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import tlbench
from tlbench.report import text
from tlbench.report.rows import Row
from tlbench.report.short import short
from tlbench.results.beside import RetentionRecord
from tlbench.stats import Estimate, Sample, family, holm, interval
from tlbench.stats.family import Better, verdict_of

RESULTS = Path(__file__).parents[1] / "results"
BEGIN, END = "<!-- made by docs/retained.py from results/retention -->", "<!-- until here -->"
REFERENCE = "full"

PART = """
On {dataset} after {source} ({seeds} seeds, {protocol}). The source model gets {before} of its test right, and
a probe on its features {probe}. ±: half the width of the 95 % interval over seeds (of accuracy, over the test sample,
too). *vs full*: the verdict on the difference, Holm's correction over the column ([how](difference.md)).

{table}
"""


def page(written: str) -> str:
    """The page with the table between its marks."""
    before, _, rest = written.partition(BEGIN)
    _, _, behind = rest.partition(END)
    return f"{before}{BEGIN}\n{part()}\n{END}{behind}"


def part() -> str:
    """The table, and what it was measured on."""
    rows = tlbench.load("retention", RESULTS).rows()
    cell = rows[0].cell
    first = of_seeds(rows[0])[0]
    assert cell.source_model is not None
    return PART.format(
        dataset=f"`{short(cell.dataset)}`",
        source=f"`{short(cell.source_model.name)}`",
        seeds=len(rows[0].records),
        protocol=text.protocol_in_short(cell.protocol, cell.device),
        before=text.figure(first.before, "share"),
        probe=text.figure(first.probe_before, "share"),
        table=table(rows),
    )


def table(rows: Sequence[Row]) -> str:
    """A row for each strategy, those that forget least first."""
    ordered = sorted(rows, key=lambda row: _mean(row, lambda found: found.forgetting).mean)
    accuracy = against(ordered, [row.sample for row in ordered], "higher")
    forgetting = against(ordered, [_sample(row, lambda found: found.forgetting) for row in ordered], "lower")
    probe = against(ordered, [_sample(row, lambda found: found.probe_forgetting) for row in ordered], "lower")
    lines = [
        "| strategy | accuracy | vs full | forgetting | vs full | probe | vs full |",
        "| --- " * 7 + "|",
    ]
    for number, row in enumerate(ordered):
        figures = [
            text.metric(row.primary, "share"), accuracy[number],
            _points(_mean(row, lambda found: found.forgetting)), forgetting[number],
            _points(_mean(row, lambda found: found.probe_forgetting)), probe[number],
        ]  # fmt: skip
        lines.append(f"| {row.strategy} | {' | '.join(figures)} |")
    return "\n".join(lines)


def against(rows: Sequence[Row], samples: Sequence[Sample], better: Better) -> list[str]:
    """The verdict on each row compared with the reference, in a word; corrected for these comparisons alone."""
    compared = family(samples, better)
    place = next(number for number, row in enumerate(rows) if row.strategy == REFERENCE)
    found = {number: compared.pair(number, place).difference for number in range(len(rows)) if number != place}
    corrected = holm({number: each.p_value for number, each in found.items()})
    sign = 1 if better == "higher" else -1
    words = {number: verdict_of(sign * each.value, corrected[number], None) for number, each in found.items()}
    return [words.get(number, text.NOTHING) for number in range(len(rows))]


def of_seeds(row: Row) -> list[RetentionRecord]:
    """What each seed of a row has kept."""
    return [record.retention for record in row.records if record.retention is not None]


def _sample(row: Row, read: Callable[[RetentionRecord], float | None]) -> Sample:
    found = {record.trial.seed: read(record.retention) for record in row.records if record.retention is not None}
    return Sample({seed: value for seed, value in found.items() if value is not None})


def _mean(row: Row, read: Callable[[RetentionRecord], float | None]) -> Estimate:
    return interval(_sample(row, read))


def _points(value: Estimate) -> str:
    width = f" ±{100 * value.half_width:.1f}" if value.half_width else ""
    return f"{100 * value.mean:.1f}{width}"
