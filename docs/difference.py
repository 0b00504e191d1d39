"""The page "Is the difference real?", with one worked example from the committed run `results/reference`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import tlbench
from tlbench.report import text
from tlbench.report.compared import compared, difference, p_value
from tlbench.report.names import pair
from tlbench.report.of_run import report_data
from tlbench.report.tables import DatasetTable, Group, tables
from tlbench.results.store import RunFolder

RESULTS = Path(__file__).parents[1] / "results"
MARGIN = 0.5
PAGE = """# Is the difference real?

Two cells of a table always differ in some digit. This page says when tlbench calls one better, with a worked example
from the committed run `results/reference` (made by `python docs/generate.py`). The code is
[tlbench/stats](../tlbench/stats); the tests hold it to SciPy, statsmodels and published tables, and count by
simulation how often it errs ([tests/stats/test_coverage.py](../tests/stats/test_coverage.py)).

## The interval of one cell

An accuracy varies for two reasons: another **seed** trains another model, and another **test sample** asks other
questions. Its 95 % interval includes both. It is a hierarchical bootstrap of 10,000 resamples, the same at each call:

- Test images are drawn again, with what all seeds made of them. Two images right and two wrong are added to a share
  (Agresti & Coull 1998), so that 61 of 61 is not certain.
- To their mean is added the error that the few seeds leave: Student's t with one degree of freedom less than there are
  seeds, times s / √n. Seeds that are themselves drawn again, as in a plain hierarchical bootstrap, give intervals that
  are too narrow: of three seeds that really differ, they hold the truth in some 83 of 100 cases instead of 95.

One seed has no spread; its interval has the test sample alone, and the footer says so. The ± of the table is the
distance to the farther end of the interval.

**Example.** {example_interval}

## The difference of two cells

Both cells have seen the same test images, and seed 3 of one has the same order and augmentation as seed 3 of the
other. So the difference is computed image by image and seed by seed, and what is hard for both cancels out.

- **Several seeds**: the variance of the mean difference follows from a two-way layout of random seeds and random
  images (Hillis 2007). Its error is distributed as the sum of Student's t (seeds) and a normal variate (images), the
  problem of Behrens and Fisher. With three cells or more, the variances over seeds are made surer by each other
  (empirical Bayes, Smyth 2004): three seeds alone would leave hardly any difference certain.
- **One seed**: McNemar's exact test of the images that one model has right and the other wrong; of metrics that are no
  share of right answers, a t test over images.
- **No predictions at hand**: the two are taken for independent (Welch).

**Example.** {example_difference}

## Many cells

A table of 10 rows has 45 pairs, of which some two differ "significantly" by chance alone. So the p values of a table
are corrected for their number (Holm 1979), and each pair ends in a word:

| verdict | when |
| --- | --- |
| better, worse | p < 0.05 after the correction |
| tie | neither a difference nor equality is shown |
| practically equal | with `--margin 0.5`: two one-sided tests (Schuirmann 1987) exclude half a point or more |
| unknown | one seed, no predictions: nothing is known of the spread |

A tie is no proof of equality: see what the run could have found, below.

**Rank.** Rows that share a letter are not told apart (compact letter display, Piepho 2004). Tables with more than
{most} rows, or that take more than {letters} letters, have ranges of ranks instead. Rows are compared where they have
the same images, device and protocol; rows at chance, or with random weights in place of pretrained ones, have no rank.

**Several datasets.** Each dataset ranks the rows by their mean metric, and weighs the same however many seeds it has.
Mean ranks that are closer than the critical difference of Nemenyi's test (Demšar 2006) share a letter.

## What a run could have found

Under the table stands the smallest difference that is found in 80 of 100 cases, for neighbours in rank, and what it
takes to find one of 1 point: how many seeds, or how many test images, each alone. Where only one of the two helps, only
that one is named.

**Example.** {example_power}

## Rows that are not plausible

A warning stands under the table where a row is at chance; is no better than a trivial baseline (`majority`,
`image-stats`, and strategies of plugins that state `baseline=True`); has results that are bit-identical to those of
another backbone, strategy, seed or rate; is further above val on test than the two samples explain (4 standard errors);
and where test images are in train.

## See it

```
tlbench show RUN --detail            # each row beside the best: difference, interval, p value, verdict
tlbench show RUN --margin 0.5        # which rows are practically as good as the best
```

The example again, as `tlbench show reference --detail --margin 0.5` has it:

```
{detail}
```
"""


def page() -> str:
    """The whole page."""
    from tlbench.report.compared import beside_the_best
    from tlbench.stats.family import MOST_LETTERED, MOST_LETTERS

    run = tlbench.load("reference", RESULTS)
    (table,) = tables(report_data(run.plan, RunFolder(run.folder), run.records, MARGIN))
    (group,) = table.groups
    said = compared(table)
    return PAGE.format(
        example_interval=_interval(table, group),
        example_difference=_difference(table, group),
        example_power=next(line for line in said if line.startswith("Smallest")),
        most=MOST_LETTERED,
        letters=MOST_LETTERS,
        detail="\n".join([*beside_the_best(table), *(line for line in said if line.startswith("Practically"))]),
    )


def _interval(table: DatasetTable, group: Group) -> str:
    row = table.rows[group.numbers[-1]]
    assert row.primary is not None and row.primary.low is not None and row.primary.high is not None
    seeds = ", ".join(f"{100 * value:.1f}" for value in row.sample.values.values())
    return (
        f"`{row.strategy}` has {seeds} % on {row.test_images} images: {text.metric(row.primary, row.metric.unit)}, "
        f"an interval from {100 * row.primary.low:.1f} to {100 * row.primary.high:.1f}."
    )


def _difference(table: DatasetTable, group: Group) -> str:
    best, other = (table.rows[number] for number in group.numbers[:2])
    found = group.with_best(group.numbers[1])
    scores = [np.stack(list(row.sample.scores.values())).astype(int) for row in (other, best)]
    better, worse = int((scores[0] > scores[1]).sum()), int((scores[0] < scores[1]).sum())
    spread = found.difference.spread
    assert spread is not None
    apart = difference(found.difference.value, found.difference.interval, other.metric.unit)
    return (
        f"Over the three seeds, `{other.strategy}` has {better} images right that `{best.strategy}` has wrong, and "
        f"{worse} the other way round: {apart}. The standard error has "
        f"{100 * spread.by_seed**0.5:.2f} points from seeds and {100 * spread.by_example**0.5:.2f} from images; "
        f"{p_value(found.p_value)}, so {pair(other)} is **{found.verdict}**."
    )
