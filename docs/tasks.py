"""The page of tasks, with the table of the committed run `results/tasks`."""

from __future__ import annotations

from pathlib import Path

import tlbench
from tlbench.registry.components import Component
from tlbench.registry.kinds import Registry
from tlbench.registry.plugins import load_plugins

RESULTS = Path(__file__).parents[1] / "results"
PAGE = """# Tasks

A dataset names its task: what is predicted of an image. The task has the check of labels, the width of the head, the
loss, the metrics and which of them is primary, the key that splits are stratified by, and the best prediction that
knows nothing of an image. Models are chosen on val by the primary metric, rows are compared by it, and a record has
all metrics by name ([Results format](results-format.md)).

{sections}
## Intervals and comparisons

The ± of a metric that is a mean over examples includes the spread over seeds and the test sample
([Is the difference real?](difference.md)). The mean average precision is no mean over examples; its ± is that of its
jackknife pseudo-values (Tukey 1958), which rows are compared in pairs by, too.

`chance` in the record is the primary metric of the best constant prediction, on the same test images; a trial whose
model is no better by its task's rule has the status `at-chance`.

## What a strategy serves

Strategies that train by the loss serve every task. A strategy that fits or compares class probabilities says so
(`tasks=("single-label",)`), and is left out elsewhere, with the reason. `ridge`, `majority`, `image-stats` and
`random-features` serve all three: `majority` is the task's best constant prediction.

## A run of each

`digit-grids` are 2×2 mosaics of scikit-learn's digits (which of the ten occur), `digit-angles` are digits rotated by
up to 45 degrees (the angle). Made from the committed run `results/tasks` by `python docs/generate.py`; repeat it with
`make tasks`.

{tables}

## A task of your own

A plugin registers a task, and metrics that are added to tasks; the contract is
[tlbench/contracts/task.py](../tlbench/contracts/task.py), an example
[tests/cli/test_tasks.py](../tests/cli/test_tasks.py):

```python
@hookimpl
def tlbench_register_tasks(register):
    register("ordinal", make_ordinal)  # a factory that gives a tlbench.Task


@hookimpl
def tlbench_register_metrics(register):
    register(ExtraMetric(Metric("within_one", "Within 1", "higher", "share"), ("ordinal",), within_one))


@hookimpl
def tlbench_register_columns(register):  # a figure of any record, in all reports
    register(Column("train_share", "Train share", "fraction", None, train_share))
```

A dataset names it: `Dataset(…, task="ordinal")`.
"""


def page() -> str:
    """The whole page."""
    registry = Registry.of(load_plugins())
    entries = [entry for entry in registry.tasks if entry.origin.plugin == "tasks"]
    sections = "".join(_section(Component(entry, entry.options())) for entry in entries)
    return PAGE.format(sections=sections, tables=tlbench.load("tasks", RESULTS).to_markdown().strip())


def _section(component: Component[tlbench.Task]) -> str:
    """One task: what it is, and its metrics."""
    task = component.load()
    summary = component.entry.summary
    lines = [f"## {component.entry.name}", "", f"{summary[0].upper()}{summary[1:]}.", ""]
    lines += ["| metric | heading | better | what |", "| --- | --- | --- | --- |"]
    for metric in task.metrics:
        name = f"**{metric.name}** (primary)" if metric.name == task.primary else metric.name
        lines.append(f"| {name} | {metric.heading} | {metric.better} | {metric.description} |")
    options = ", ".join(f"`--{each.replace('_', '-')}`" for each in task.loss_options) or "none"
    return "\n".join([*lines, "", f"Options of the loss that it knows: {options}.", "", ""])
