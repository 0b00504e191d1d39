"""What plugins are written with besides the contracts: files, sizes, saved models, executors, and rows for trackers.

The names are loaded when they are first used, so that importing this imports nothing heavy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tlbench.data.batches import batches_below
    from tlbench.data.contents import content_digest
    from tlbench.data.image_files import HIDDEN, LOOP, endings, hidden, image_files_below, is_image, split_of
    from tlbench.data.root import data_root
    from tlbench.engine.renormalise import inner
    from tlbench.engine.tracer import ForgivingTracer
    from tlbench.engine.weights import load_whole
    from tlbench.errors import BackboneError, PhaseError, nearest
    from tlbench.execute.elsewhere import Parcel, run_elsewhere
    from tlbench.execute.executor import Ended, Message, Returned, Told
    from tlbench.execute.local import LocalProcesses
    from tlbench.files import try_folder, write_whole
    from tlbench.objects.images import dataset_of
    from tlbench.objects.modules import backbone_of
    from tlbench.plan.cell import Trial
    from tlbench.plan.plan import Plan
    from tlbench.registry.model_size import read_model_sizes
    from tlbench.registry.register import (
        RegisterAugmentation,
        RegisterBackbone,
        RegisterColumn,
        RegisterCommand,
        RegisterDataset,
        RegisterExecutor,
        RegisterFormat,
        RegisterMetric,
        RegisterOptimizer,
        RegisterReporter,
        RegisterSchedule,
        RegisterStrategy,
        RegisterSuite,
        RegisterTask,
    )
    from tlbench.results.flat import facts_of, figures_of
    from tlbench.results.records import Record
    from tlbench.saved.backbone import saved_backbone
    from tlbench.saved.body import SavedBody, open_body
    from tlbench.saved.document import read_document
    from tlbench.trial.jobs import TrialJob
    from tlbench.words import bounded, counted, listed, one_line, spreadsheet_field

_HOMES = {
    "tlbench.data.batches": ("batches_below",),
    "tlbench.data.contents": ("content_digest",),
    "tlbench.data.image_files": (
        "HIDDEN", "LOOP", "endings", "hidden", "image_files_below", "is_image", "split_of",
    ),
    "tlbench.data.root": ("data_root",),
    "tlbench.engine.renormalise": ("inner",),
    "tlbench.engine.tracer": ("ForgivingTracer",),
    "tlbench.engine.weights": ("load_whole",),
    "tlbench.errors": ("BackboneError", "PhaseError", "nearest"),
    "tlbench.execute.elsewhere": ("Parcel", "run_elsewhere"),
    "tlbench.execute.executor": ("Ended", "Message", "Returned", "Told"),
    "tlbench.execute.local": ("LocalProcesses",),
    "tlbench.files": ("try_folder", "write_whole"),
    "tlbench.objects.images": ("dataset_of",),
    "tlbench.objects.modules": ("backbone_of",),
    "tlbench.plan.cell": ("Trial",),
    "tlbench.plan.plan": ("Plan",),
    "tlbench.registry.model_size": ("read_model_sizes",),
    "tlbench.registry.register": (
        "RegisterAugmentation", "RegisterBackbone", "RegisterColumn", "RegisterCommand", "RegisterDataset",
        "RegisterExecutor", "RegisterFormat", "RegisterMetric", "RegisterOptimizer", "RegisterReporter",
        "RegisterSchedule", "RegisterStrategy", "RegisterSuite", "RegisterTask",
    ),
    "tlbench.results.flat": ("facts_of", "figures_of"),
    "tlbench.results.records": ("Record",),
    "tlbench.saved.backbone": ("saved_backbone",),
    "tlbench.saved.body": ("SavedBody", "open_body"),
    "tlbench.saved.document": ("read_document",),
    "tlbench.trial.jobs": ("TrialJob",),
    "tlbench.words": ("bounded", "counted", "listed", "one_line", "spreadsheet_field"),
}  # fmt: skip
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "HIDDEN",
    "LOOP",
    "BackboneError",
    "Ended",
    "ForgivingTracer",
    "LocalProcesses",
    "Message",
    "Parcel",
    "PhaseError",
    "Plan",
    "Record",
    "RegisterAugmentation",
    "RegisterBackbone",
    "RegisterColumn",
    "RegisterCommand",
    "RegisterDataset",
    "RegisterExecutor",
    "RegisterFormat",
    "RegisterMetric",
    "RegisterOptimizer",
    "RegisterReporter",
    "RegisterSchedule",
    "RegisterStrategy",
    "RegisterSuite",
    "RegisterTask",
    "Returned",
    "SavedBody",
    "Told",
    "Trial",
    "TrialJob",
    "backbone_of",
    "batches_below",
    "bounded",
    "content_digest",
    "counted",
    "data_root",
    "dataset_of",
    "endings",
    "facts_of",
    "figures_of",
    "hidden",
    "image_files_below",
    "inner",
    "is_image",
    "listed",
    "load_whole",
    "nearest",
    "one_line",
    "open_body",
    "read_document",
    "read_model_sizes",
    "run_elsewhere",
    "saved_backbone",
    "split_of",
    "spreadsheet_field",
    "try_folder",
    "write_whole",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'tlbench.toolkit' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return __all__
