"""A run while it runs: live lines in a terminal, plain ones in a log. All of it on stderr."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Column

from tlbench.events import Event, StepDone
from tlbench.plan.cell import Trial
from tlbench.plan.found import Preparing
from tlbench.plan.plan import Plan, TaskPlan
from tlbench.report import text
from tlbench.report.short import backbone_name, names_of_cells, short
from tlbench.results.costs import Cost
from tlbench.results.records import Record
from tlbench.words import counted, one_line, printable

BAR_FROM_WIDTH = 100
"""A console narrower than this needs the bar's place for the trial's name; the steps say the same."""


@dataclass
class Speed:
    """Images per second of a running trial, from the steps it has told of."""

    begun: float = 0.0
    last_step: int = 0
    images: int = 0

    def after(self, event: StepDone) -> float | None:
        """Images per second until this step; None for the first that a phase tells of."""
        first = self.last_step == 0 or event.step <= self.last_step
        if first:
            self.begun, self.images = time.monotonic(), 0
        else:
            self.images += (event.step - self.last_step) * event.images
        self.last_step = event.step
        return None if first else self.images / max(time.monotonic() - self.begun, 1e-9)


class ConsoleDisplay:
    """Shows a run on a console: a live line for each running trial, or a line for each finished one in a log."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._speeds: dict[str, Speed] = {}
        self._titles: dict[str, str] = {}
        self._names: dict[str, str] = {}
        self._sources: set[str] = set()
        self._task_plans: dict[str, TaskPlan] = {}
        self._decoding: TaskID | None = None
        self._whole: TaskID | None = None
        self._number = 0
        self._finished = 0
        self._total = 0

    def note(self, text: str) -> None:
        """A sentence, above the live lines."""
        self.close()
        self._print(text)

    def preparing(self, event: Preparing) -> None:
        """A bar for the dataset that is being decoded."""
        if not self._console.is_terminal or event.total < 500 or (event.done % 20 and event.done < event.total):
            return
        if self._live is None:
            self._live = self._progress()
        if self._decoding is None:
            self._decoding = self._live.add_task(
                f"decoding {short(event.dataset)}", total=event.total, what="", done=""
            )
        done = f"{event.done:,}/{event.total:,}"
        self._live.update(self._decoding, completed=event.done, what="images", done=done)
        if event.done >= event.total:
            self._live.remove_task(self._decoding)
            self._decoding = None

    def planned(self, plan: Plan, remaining: int) -> None:
        """Say what will run, and how it departs from what was asked."""
        self.close()
        total = sum(1 for _ in plan.trials())
        self._number, self._finished, self._total = total - remaining, total - remaining, total
        self._task_plans = plan.tasks
        self._names = names_of_cells((*plan.sources, *plan.cells))
        self._sources = {cell.id for cell in plan.sources}
        seeds = counted(plan.request.seeds, "seed")
        self.note(f"run {plan.name}: {counted(total, 'trial')} ({counted(len(plan.cells), 'cell')} × {seeds})")
        if remaining < total:
            self.note(f"  {total - remaining:,} done already, {remaining:,} to go")
        for cell in plan.sources:
            self.note(
                f"  trained first: {self._names[cell.backbone]} on {cell.dataset} by {self._names[cell.strategy]}"
            )
        protocols: dict[str, dict[str, None]] = {}
        for cell in (*plan.sources, *plan.cells):
            protocols.setdefault(text.protocol_in_short(cell.protocol, cell.device), {})[cell.dataset] = None
        for protocol, datasets in protocols.items():
            self.note(f"  {', '.join(datasets)}: {protocol}")
        missing = {cell.backbone: cell.weights for cell in plan.cells if cell.weights.reason == "unavailable"}
        for backbone, weights in missing.items():
            self.note(
                f"  warning: {backbone} runs from RANDOM weights: {weights.name} is not available here "
                f"({weights.detail}); its rows are marked and not ranked beside pretrained ones "
                f"(--weights pretrained refuses this)"
            )

    def started(self, trial: Trial, leader: Trial | None = None) -> None:
        """A live line for the trial; those of trials that are trained together are one."""
        self._number += trial.id not in self._titles and not self._on_source(trial)
        title = self._titles.setdefault(trial.id, self._title(trial))
        if leader is not None:
            if self._live is not None and leader.id in self._tasks:
                self._live.update(self._tasks[leader.id], description=f"{self._titles[leader.id]} to {trial.seed}")
            return
        if self._console.is_terminal:
            if self._live is None:
                self._live = self._progress()
            if self._whole is None:
                self._whole = self._live.add_task("all trials", total=self._total, what="", done="")
                self._show_whole()
            self._tasks[trial.id] = self._live.add_task(title, total=None, what="", done="starting")
        self._speeds[trial.id] = Speed()

    def _title(self, trial: Trial) -> str:
        cell = trial.cell
        names = " × ".join(
            (backbone_name(cell, self._names), *(self._names[each] for each in (cell.dataset, cell.strategy)))
        )
        if self._on_source(trial):
            return one_line(f"[source] {names}")
        return one_line(f"[{self._number:,}/{self._total:,}] {names}, seed {trial.seed}")

    def _on_source(self, trial: Trial) -> bool:
        """Whether it trains a source model, and is none of the plan's trials."""
        return trial.cell.id in self._sources

    def event(self, trial: Trial, event: Event) -> None:
        """Move the trial's line on."""
        if not isinstance(event, StepDone) or self._live is None:
            return
        speed = self._speeds[trial.id].after(event)
        epochs = trial.cell.protocol.epochs
        what = f"epoch {event.epoch}/{epochs}" + ("" if speed is None else f"  {speed:.0f} img/s")
        done = f"{event.step}/{event.steps}"
        self._live.update(self._tasks[trial.id], completed=event.step, total=event.steps, what=what, done=done)

    def finished(self, trial: Trial, record: Record) -> None:
        """Take the trial's line away; in a log, write one."""
        if self._live is not None and trial.id in self._tasks:
            self._live.remove_task(self._tasks.pop(trial.id))
        self._finished += not self._on_source(trial)
        self._show_whole()
        line = f"{self._titles[trial.id]}: {_result(record, self._metric(trial, record))}"
        style = None if record.status == "ok" else "red"
        self._print(line, style)

    def _metric(self, trial: Trial, record: Record) -> str | None:
        """The primary metric of test."""
        if record.metrics is None or (value := record.metrics.value) is None:
            return None
        metric = self._task_plans[trial.cell.task].primary_metric
        return f"{metric.heading} {text.figure(value, metric.unit)}"

    def close(self) -> None:
        """Stop the live lines."""
        if self._live is not None:
            self._live.stop()
            self._live, self._decoding, self._whole = None, None, None
            self._tasks.clear()

    def _show_whole(self) -> None:
        """Move the line of the whole run on."""
        if self._live is not None and self._whole is not None:
            self._live.update(self._whole, completed=self._finished, done=f"{self._finished:,}/{self._total:,}")

    def _print(self, line: str, style: str | None = None) -> None:
        """A line above the live ones; folded at words in a terminal, left whole in a log."""
        whole = not self._console.is_terminal
        self._console.print(printable(line), markup=False, highlight=False, style=style, soft_wrap=whole)

    def _progress(self) -> Progress:
        title = Column(ratio=1, no_wrap=True, overflow="ellipsis")
        columns: list[ProgressColumn] = [TextColumn("{task.description}", table_column=title)]
        if self._console.width >= BAR_FROM_WIDTH:
            columns.append(BarColumn(bar_width=20))
        columns += [
            TextColumn("{task.fields[what]}", table_column=Column(no_wrap=True)),
            TextColumn("{task.fields[done]}", table_column=Column(no_wrap=True)),
            TimeRemainingColumn(compact=True, table_column=Column(no_wrap=True)),
        ]
        progress = Progress(*columns, console=self._console, transient=True, expand=True)
        progress.start()
        return progress


def summary(records: list[Record], total: int) -> str:
    """How many trials ended how."""
    counts = Counter(record.status for record in records)
    parts = [f"{number:,} {status}" for status, number in counts.items()]
    if total > len(records):
        parts.append(f"{total - len(records):,} not run")
    return ", ".join(parts) or "nothing run"


def shared(records: list[Record]) -> str | None:
    """What features that were there already saved this run, and heads that were trained together; None for neither."""
    costs = [record.cost for record in records if record.cost]
    features = sum(cost.shared_seconds or 0.0 for cost in costs)
    heads = sum(_alone_seconds(cost) - cost.paid_seconds for cost in costs if cost.basis == "attributed")
    parts = [
        f"{what} saved {text.seconds(saved)}"
        for what, saved in (("shared features", features), ("heads trained together", heads))
        if saved > 0.05
    ]
    return "; ".join(parts) or None


def _alone_seconds(cost: Cost) -> float:
    """What a trial that shared its training would have paid alone: its stages."""
    stages = (
        cost.load_seconds, cost.measure_seconds, cost.features_seconds, cost.train_seconds, cost.validate_seconds,
        cost.evaluate_seconds, cost.save_seconds,
    )  # fmt: skip
    return sum(each or 0.0 for each in stages)


def _result(record: Record, value: str | None) -> str:
    if record.status == "ok" and record.metrics and record.cost:
        metric = "" if value is None else f"{value}, "
        return f"ok, {metric}{text.seconds(record.cost.paid_seconds)}"
    return f"{record.status}: {record.error.message if record.error else ''}"
