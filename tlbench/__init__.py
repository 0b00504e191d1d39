"""tlbench: which pretrained vision backbone, adapted by which strategy, on your data and your hardware.

The public names are loaded when they are first used, so that importing tlbench imports nothing heavy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tlbench.api import Results, history, load, run
    from tlbench.contracts import (
        Backbone,
        Block,
        Dataset,
        Options,
        Preprocessing,
        Split,
        SplitOptions,
        Strategy,
        Weights,
        strategy,
    )
    from tlbench.contracts.batch import Batch
    from tlbench.contracts.fitting import Examples, Fitting, Solved
    from tlbench.contracts.model import TransferModel
    from tlbench.contracts.part import Part
    from tlbench.contracts.phases import Look, Phase, Rewrite, Solve, Train, Validate
    from tlbench.contracts.seen import Seen
    from tlbench.contracts.task import ExtraMetric, LossOptions, Metric, Objective, Task
    from tlbench.contracts.train_data import OtherDataset, TrainData
    from tlbench.errors import UserError, WeightsUnavailable
    from tlbench.execute.executor import Executor
    from tlbench.hookspecs import hookimpl
    from tlbench.results.column import Column
    from tlbench.saved.model import Predicted, SavedModel, load_model
    from tlbench.session.reporter import Reporter
    from tlbench.trends.history import History

__version__ = "0.1.0"

_HOMES = {
    "tlbench.api": ("Results", "history", "load", "run"),
    "tlbench.contracts": (
        "Backbone", "Block", "Dataset", "Options", "Preprocessing", "Split", "SplitOptions", "Strategy", "Weights",
        "strategy",
    ),
    "tlbench.errors": ("UserError", "WeightsUnavailable"),
    "tlbench.execute.executor": ("Executor",),
    "tlbench.hookspecs": ("hookimpl",),
    "tlbench.contracts.batch": ("Batch",),
    "tlbench.contracts.fitting": ("Examples", "Fitting", "Solved"),
    "tlbench.contracts.model": ("TransferModel",),
    "tlbench.contracts.part": ("Part",),
    "tlbench.contracts.seen": ("Seen",),
    "tlbench.contracts.task": ("ExtraMetric", "LossOptions", "Metric", "Objective", "Task"),
    "tlbench.contracts.train_data": ("OtherDataset", "TrainData"),
    "tlbench.results.column": ("Column",),
    "tlbench.saved.model": ("Predicted", "SavedModel", "load_model"),
    "tlbench.trends.history": ("History",),
    "tlbench.session.reporter": ("Reporter",),
    "tlbench.contracts.phases": ("Look", "Phase", "Rewrite", "Solve", "Train", "Validate"),
}  # fmt: skip
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Backbone",
    "Batch",
    "Block",
    "Column",
    "Dataset",
    "Examples",
    "Executor",
    "ExtraMetric",
    "Fitting",
    "History",
    "Look",
    "LossOptions",
    "Metric",
    "Objective",
    "Options",
    "OtherDataset",
    "Part",
    "Phase",
    "Predicted",
    "Preprocessing",
    "Reporter",
    "Results",
    "Rewrite",
    "SavedModel",
    "Seen",
    "Solve",
    "Solved",
    "Split",
    "SplitOptions",
    "Strategy",
    "Task",
    "Train",
    "TrainData",
    "TransferModel",
    "UserError",
    "Validate",
    "Weights",
    "WeightsUnavailable",
    "__version__",
    "history",
    "hookimpl",
    "load",
    "load_model",
    "run",
    "strategy",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'tlbench' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return __all__
