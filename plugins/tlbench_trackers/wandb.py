"""Weights & Biases: a W&B run for each trial, in the tlbench run's group, offline unless $WANDB_MODE is set."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from tlbench import Options, Reporter
from tlbench.toolkit import bounded, figures_of
from tlbench_trackers.checks import check_folder, check_installed
from tlbench_trackers.names import CURVE, EPOCH, facts, key, points, text, title

if TYPE_CHECKING:
    from wandb import Run

    from tlbench.toolkit import Plan, Record, Trial

LONGEST_NAME = 128
"""Characters of a group's and a run's name that W&B takes."""
STEP = f"{CURVE}step"
QUIET: dict[str, Any] = {
    "console": "off", "silent": True, "disable_git": True, "save_code": False, "x_save_requirements": False,
    "x_disable_meta": True, "x_disable_machine_info": True, "x_disable_stats": True,
}  # fmt: skip
"""Nothing is logged but what tlbench says: no output, code, packages or load of the machine."""


class WandbOptions(Options):
    """Which project, and where its files go until `wandb sync` sends them."""

    project: str = Field("tlbench", description="the project's name", pattern=r"^[^/\\#?%:]{1,128}$")
    folder: Path | None = Field(None, description="the folder of W&B's folder wandb; none: the run's")


def check_wandb(options: WandbOptions) -> None:
    """Raises UserError where wandb is not installed, or the folder can't be written."""
    check_installed("wandb")
    check_folder("wandb", options.folder)


def make_wandb(options: WandbOptions) -> Reporter:
    """A reporter that logs to Weights & Biases."""
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    import wandb  # a broken installation is told of before anything runs  # noqa: F401

    return Wandb(options)


class Wandb(Reporter):
    """Logs each trial as a W&B run: its facts as configuration, its epochs as history, its figures as summary."""

    def __init__(self, options: WandbOptions) -> None:
        self._options = options
        self._group = ""
        self._folder = Path()
        self._open: dict[str, Run] = {}

    def run_started(self, plan: Plan, folder: Path) -> None:
        """Nothing is logged yet."""
        self._group = bounded(plan.name, LONGEST_NAME)
        self._folder = folder if self._options.folder is None else self._options.folder.expanduser()
        self._folder.mkdir(parents=True, exist_ok=True)

    def trial_started(self, trial: Trial) -> None:
        """A W&B run with the facts; one that is tried again has a run of its own."""
        import wandb

        if trial.id in self._open:
            self._open.pop(trial.id).finish(exit_code=1)
        self._open[trial.id] = wandb.init(
            reinit="create_new",
            mode=None if "WANDB_MODE" in os.environ else "offline",
            project=self._options.project,
            group=self._group,
            name=bounded(title(trial), LONGEST_NAME),
            config=facts(trial),
            dir=str(self._folder),
            settings=wandb.Settings(**QUIET),
        )

    def epoch_finished(self, trial: Trial, epoch: int, figures: Mapping[str, float]) -> None:
        """A point of each curve."""
        point = {f"{EPOCH}{key(name)}": value for name, value in figures.items()}
        self._open[trial.id].log(point, step=epoch, commit=True)

    def trial_finished(self, trial: Trial, record: Record, row: Mapping[str, object]) -> None:
        """The figures, the rate that was chosen, why it failed, and how it ended."""
        run = self._open.pop(trial.id)
        run.define_metric(f"{CURVE}*", step_metric=STEP)
        for name, step, value in points(record):
            run.log({name: value, STEP: step})
        summary: dict[str, Any] = {key(name): value for name, value in figures_of(row).items()}
        summary["status"] = record.status
        if record.error is not None:
            summary["error"] = text(record.error.message)
        if trial.cell.learning_rate is None and record.learning_rate is not None:
            run.config.update({"learning_rate": record.learning_rate})
        run.summary.update(summary)
        run.finish(exit_code=0 if record.status == "ok" else 1)

    def run_finished(self, plan: Plan, folder: Path, records: Sequence[Record]) -> None:
        """What is still open was interrupted."""
        while self._open:
            self._open.popitem()[1].finish(exit_code=1)
