"""MLflow: an experiment for a run, an MLflow run for each trial, by the client, so that no run is the active one."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from tlbench import Options, Reporter, UserError
from tlbench.toolkit import figures_of
from tlbench_trackers.checks import check_folder, check_installed
from tlbench_trackers.names import EPOCH, facts, key, points, text, title

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from tlbench.toolkit import Plan, Record, Trial

PREFERRED = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
}
"""Variables of the environment, where they are not set: nobody else is told, and no server delays a run for long."""
CHATTY = ("alembic", "mlflow.store.db.utils")
"""Loggers that tell of each table of a new database."""
SQLITE = "sqlite:///"
MOST_METRICS = 1000
"""That one call may log."""
ENDED = {"ok": "FINISHED", "interrupted": "KILLED", "killed": "KILLED"}
"""MLflow's word for a status; all others are FAILED."""


class MlflowOptions(Options):
    """Which store, and which experiment of it."""

    uri: str | None = Field(None, description="the tracking store; none: sqlite, mlflow.db in the run's folder")
    experiment: str | None = Field(None, description="the experiment's name; none: the run's")


def check_mlflow(options: MlflowOptions) -> None:
    """Raises UserError where MLflow is not installed, or the store can't be one."""
    check_installed("mlflow")
    if options.uri is None or options.uri.startswith("sqlite:"):
        check_installed("mlflow", "sqlalchemy", "alembic")
    if options.uri is None:
        return
    if ":" not in options.uri:
        raise UserError(f"reporter mlflow: uri={options.uri} is no URI; for a file, say {SQLITE}{options.uri}")
    if options.uri.startswith(SQLITE):
        check_folder("mlflow", Path(options.uri.removeprefix(SQLITE)).parent)


def make_mlflow(options: MlflowOptions) -> Reporter:
    """A reporter that logs to MLflow."""
    for name, value in PREFERRED.items():
        os.environ.setdefault(name, value)
    import mlflow  # a broken installation is told of before anything runs  # noqa: F401

    return Mlflow(options)


class Mlflow(Reporter):
    """Logs each trial as an MLflow run: its facts as parameters, its epochs, metrics and costs as metrics."""

    def __init__(self, options: MlflowOptions) -> None:
        self._options = options
        self._run = ""
        self._experiment = ""
        self._open: dict[str, str] = {}
        self._epochs: dict[str, int] = {}

    def run_started(self, plan: Plan, folder: Path) -> None:
        """The experiment; a run that goes on finds its own again."""
        from mlflow import MlflowClient

        for name in CHATTY:
            logging.getLogger(name).setLevel(logging.WARNING)
        self._run = plan.name
        self._client: MlflowClient = MlflowClient(self._options.uri or f"{SQLITE}{folder.absolute() / 'mlflow.db'}")
        name = self._options.experiment or plan.name
        found = self._client.get_experiment_by_name(name)
        artifacts = None if self._options.uri else (folder.absolute() / "mlflow-artifacts").as_uri()
        self._experiment = found.experiment_id if found else self._client.create_experiment(name, artifacts)

    def trial_started(self, trial: Trial) -> None:
        """An MLflow run with the facts; one that is tried again has a run of its own."""
        from mlflow.entities import Param

        if trial.id in self._open:
            self._client.set_terminated(self._open.pop(trial.id), "KILLED")
        tags = {"tlbench.run": self._run, "tlbench.trial": trial.id}
        made = self._client.create_run(self._experiment, run_name=title(trial), tags=tags)
        self._open[trial.id] = made.info.run_id
        self._epochs[trial.id] = 0
        params = [Param(name, str(value)) for name, value in facts(trial).items()]
        self._client.log_batch(made.info.run_id, params=params)

    def epoch_finished(self, trial: Trial, epoch: int, figures: Mapping[str, float]) -> None:
        """A point of each curve."""
        self._epochs[trial.id] = epoch
        self._log(trial, {f"{EPOCH}{key(name)}": value for name, value in figures.items()})

    def trial_finished(self, trial: Trial, record: Record, row: Mapping[str, object]) -> None:
        """The figures at the last epoch, the rate that was chosen, why it failed, and how it ended."""
        from mlflow.entities import Metric

        self._log(trial, {key(name): value for name, value in figures_of(row).items()})
        run = self._open.pop(trial.id)
        logged = [Metric(name, value, int(1000 * time.time()), step) for name, step, value in points(record)]
        for first in range(0, len(logged), MOST_METRICS):
            self._client.log_batch(run, metrics=logged[first : first + MOST_METRICS])
        if trial.cell.learning_rate is None and record.learning_rate is not None:
            self._client.log_param(run, "learning_rate", record.learning_rate)
        self._client.set_tag(run, "tlbench.status", record.status)
        if record.error is not None:
            self._client.set_tag(run, "tlbench.error", text(record.error.message))
        self._client.set_terminated(run, ENDED.get(record.status, "FAILED"))

    def run_finished(self, plan: Plan, folder: Path, records: Sequence[Record]) -> None:
        """What is still open was interrupted."""
        while self._open:
            self._client.set_terminated(self._open.popitem()[1], "KILLED")

    def _log(self, trial: Trial, figures: Mapping[str, float]) -> None:
        from mlflow.entities import Metric

        now, step = int(1000 * time.time()), self._epochs[trial.id]
        metrics = [Metric(name, value, now, step) for name, value in figures.items()]
        self._client.log_batch(self._open[trial.id], metrics=metrics)
