"""The page of histories, with an example of runs that are made up from the committed run `results/reference`."""

from __future__ import annotations

import io
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from rich.console import Console

import tlbench
from tlbench.api import Results
from tlbench.results.records import Record
from tlbench.results.store import RunFolder
from tlbench.trends.history import History
from tlbench.trends.printed import print_history

RESULTS = Path(__file__).parents[1] / "results"
NIGHTS, FROM = 14, 9
"""How many runs are made up, and from which on the accuracy is lower."""
LOSS, SPREAD = 0.012, 0.001
PAGE = """# The history of a cell

```
tlbench history                                # a line for each cell of all runs under results/
tlbench history 'resnet50 × lora'              # a cell run by run; also resnet50/lora, 'resnet50*', timm/resnet50
tlbench history 'resnet50*' --column step_ms --column nll --last 30
tlbench history 'resnet50*' nightly-1 other/nightly-2       # of these runs alone, by name or folder
tlbench history 'resnet50*' --format json -o history.json   # markdown, csv, json
```

Without a cell, each has a line with its last value and its change points; a cell alone is shown whole. Columns are
those of `tlbench show RUN --format csv`; the usual ones are the primary metric, training seconds, `step_ms` and peak
memory.

## An example

These runs are **made up**: {nights} nights of `full`, from the records of the committed run `results/reference`, with
accuracies drawn around its own (seeded, `docs/history.py`) and {loss} points less from night {start} on, when the
release of a package changed, too. `tlbench history full --column accuracy` has in a terminal of 100 columns:

```
{example}
```

## Which runs share a series

Runs are taken in the order in which they were started, and times are said in the machine's own zone (UTC in JSON and
CSV). The records of a merged run or a copy do not count twice. Runs that can't be read are left out, and runs that are
not finished are used with what they have; stderr says so.

A series holds cells that `tlbench compare` would compare: the same backbone, strategy, dataset and device, and equal
weights, data, task, test set and protocol. Where one of these differs, a line names the field and both values, and
another series begins; a later run that is like the first ones goes on with theirs. Learning rates, options, versions of
packages and the commit may differ: what differs at a change point stands beside it.

Costs depend on the machine, so each machine (processor, cores, threads, accelerator) has a series of its own for them.
A row whose seeds ran on several machines has no costs. All boots of a machine share a series, in which times of another
boot than the run before are marked `other boot` and not judged beside it, as in `compare`; change points are told of,
and that the machine was booted in between.

## What is tested

**Change, Verdict**: each run beside the one before it in its series, by the test of [`tlbench compare`](compare.md):
metrics paired by seed and test image, costs by their ratio. The p values of a series are corrected for their number
(Holm), so a verdict here may be `tie` where a comparison of the two runs alone is certain. A slow drift has no verdict
of this kind; change points see it. Costs of two runs differ by more than those of the seeds of one, as a machine is not
quite the same from run to run; this test does not know by how much, and calls too many neighbours better or worse.
Change points take the spread over runs.

**Change points**: from which run on the mean is another one.

- The partition of the series with the least squared distances to the segments' means, at a penalty of 2 σ² log n for
  each change (BIC, Yao 1988), by the dynamic programming of [ruptures](https://github.com/deepcharles/ruptures). Each
  mean holds for {shortest} runs at least. σ is known from the median difference of neighbours, which changes of the
  mean hardly touch. Costs are taken by their logarithms.
- Each change is then tested within the two segments that it parts: how often an order by chance has a split as distinct
  by ranks as the most distinct one of theirs (SciPy's `permutation_test`). The least certain one is dropped until all
  are certain at the {certain:.0%} level. A single run that is far off is no change.

{fewest} runs are the fewest: 8 have too few orders to be that certain. In simulations, series of noise alone have
a change point in at most 5 of 100 cases, and a shift of 3 standard deviations in 30 runs is found within a run in at
least 90 of 100 ([tests/stats/test_change_points.py](../tests/stats/test_change_points.py), which also has the Nile's
flow and an exhaustive search). Each series is tested for itself: of many cells and columns, some show one by chance.
Runs that depend on each other, on a machine that grows slower all day, say, have more. ruptures has releases for Python
up to 3.13; a history without it has no change points, and says so.

## In Python

```python
found = tlbench.history("resnet50 × lora", columns=["accuracy"])
found.rows()  # flat rows, for pandas.DataFrame
for cell, series, shift in found.shifts:
    print(cell.name, series.figure.heading, shift.run.name, shift.verdict, shift.before, shift.after)
```
"""


def page() -> str:
    """The whole page."""
    from tlbench.stats.change_points import CERTAIN, FEWEST, SHORTEST

    return PAGE.format(
        nights=NIGHTS,
        loss=f"{100 * LOSS:.1f}",
        start=FROM,
        example=_terminal(made_up()),
        certain=CERTAIN,
        shortest=SHORTEST,
        fewest=FEWEST,
    )


def made_up() -> History:
    """The history of runs that are made up."""
    reference, random = tlbench.load("reference", RESULTS), np.random.default_rng(2)
    with tempfile.TemporaryDirectory() as folder:
        for number in range(1, NIGHTS + 1):
            _write_night(Path(folder), number, reference, random)
        return tlbench.history("full", results=folder, columns=["accuracy"])


def _write_night(folder: Path, number: int, reference: Results, random: np.random.Generator) -> None:
    """A run like the reference, without its predictions, with other accuracies."""
    name, started = f"night-{number:02}", datetime(2026, 3, 1, 2, 30, tzinfo=UTC) + timedelta(days=number - 1)
    run = RunFolder(folder / name)
    run.write_plan(reference.plan.model_copy(update={"name": name, "created": started}))
    release = "2.0" if number >= FROM else "1.0"
    for record in reference.records:
        shift = random.normal(0, SPREAD) - (LOSS if number >= FROM else 0.0)
        run.write_record(_changed(record, started, shift, release))


def _changed(record: Record, started: datetime, shift: float, release: str) -> Record:
    assert record.metrics is not None and record.environment is not None
    test = record.metrics.test | {"accuracy": min(1.0, record.metrics.test["accuracy"] + shift)}
    packages = {"tlbench": tlbench.__version__, "a-package": release}
    update = {
        "metrics": record.metrics.model_copy(update={"test": test}),
        "environment": record.environment | {"packages": packages, "git_commit": None},
        "started": started,
        "predictions": None,
    }
    return record.model_copy(update=update)


def _terminal(found: History) -> str:
    file = io.StringIO()
    print_history(found, False, Console(file=file, width=100, color_system=None, force_terminal=True), UTC)
    return "\n".join(line.rstrip() for line in file.getvalue().strip().splitlines())
