"""Reporters that log a run: CSV and JSON Lines without any service, TensorBoard, MLflow and Weights & Biases."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlbench import hookimpl
from tlbench_trackers.csv_log import CsvOptions, check_csv, make_csv
from tlbench_trackers.jsonl import JsonlOptions, check_jsonl, make_jsonl
from tlbench_trackers.mlflow import MlflowOptions, check_mlflow, make_mlflow
from tlbench_trackers.tensorboard import TensorBoardOptions, check_tensorboard, make_tensorboard
from tlbench_trackers.wandb import WandbOptions, check_wandb, make_wandb

if TYPE_CHECKING:
    from tlbench.toolkit import RegisterReporter

tlbench_api = 1


@hookimpl
def tlbench_register_reporters(register: RegisterReporter) -> None:
    """Register all of them."""
    register("csv", make_csv, options=CsvOptions, check=check_csv, summary="a line for each trial, for spreadsheets")
    register(
        "jsonl", make_jsonl, options=JsonlOptions, check=check_jsonl, summary="a JSON document a line for each event"
    )
    register(
        "tensorboard", make_tensorboard, options=TensorBoardOptions, check=check_tensorboard,
        summary="event files, a folder for each trial (extra: tensorboard)",
    )  # fmt: skip
    register(
        "mlflow", make_mlflow, options=MlflowOptions, check=check_mlflow,
        summary="an experiment for each run, an MLflow run for each trial (extra: mlflow)",
    )  # fmt: skip
    register(
        "wandb", make_wandb, options=WandbOptions, check=check_wandb,
        summary="Weights & Biases, offline unless $WANDB_MODE says otherwise (extra: wandb)",
    )  # fmt: skip
