"""Small cells, records, datasets and splits in memory that the tests are about."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import PIL.Image
import torch
from torch import nn

from tlbench.contracts import Backbone, Dataset, Options, Preprocessing, Split, Strategy
from tlbench.contracts.model import TransferModel
from tlbench.contracts.task import LossOptions, Objective, Task
from tlbench.data.batches import Images
from tlbench.data.pixels import ArrayPixels
from tlbench.engine.context import Context, Progress
from tlbench.engine.distance import Start
from tlbench.engine.features import FeatureInputs
from tlbench.engine.seeds import Seeds
from tlbench.engine.setting import Setting
from tlbench.measure.meters import Meters
from tlbench.plan import CHANCES, Cell, Plan, Protocol, Request, Trial, WeightsPlan
from tlbench.plan.plan import MetricPlan, TaskPlan
from tlbench.registry.components import Component, Entry
from tlbench.registry.provenance import Provenance
from tlbench.report.data import ReportData
from tlbench.report.rows import Examples
from tlbench.report.tables import DatasetTable, tables
from tlbench.results.column import Column
from tlbench.results.columns import columns_of
from tlbench.results.costs import Cost, PhaseCost, StepMs
from tlbench.results.flat import Columns
from tlbench.results.records import DataRecord, ErrorRecord, Metrics, Record, Status, TrialKey, WeightsRecord
from tlbench_tasks.single_label import SingleLabel

ACCURACY = MetricPlan(name="accuracy", heading="Accuracy", better="higher", unit="share")
NLL = MetricPlan(name="nll", heading="NLL", better="lower", unit="number")
TASKS = {"tasks/single-label": TaskPlan(primary="accuracy", metrics=(ACCURACY, NLL))}
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
PLAIN = Preprocessing(mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25), interpolation="nearest")
PRETRAINED = WeightsPlan(kind="pretrained", name="torchvision/resnet18.V1")
FALLBACK = WeightsPlan(kind="random", name="torchvision/resnet18.V1", reason="unavailable", detail="no network")
SCRATCH = WeightsPlan(kind="random", reason="strategy")


def make_protocol(**changes: Any) -> Protocol:
    """A short protocol, without warm-up and clipping."""
    values = {"epochs": 2, "batch_size": 4, "image_size": 8, "train_size": None, "test_size": None}
    plain = {"precision": "fp32", "warmup": 0.0, "gradient_clip": 0.0}
    return Protocol.model_validate(values | plain | changes)


def make_objective(classes: int, labels: Sequence[int] | np.ndarray | None = None, **options: Any) -> Objective:
    """Single-label classification with so many classes, which are as frequent as in `labels`, or all alike."""
    return objective_of(SingleLabel(), np.arange(classes) if labels is None else np.asarray(labels), classes, **options)


def objective_of(task: Task, labels: np.ndarray, outputs: int, **options: Any) -> Objective:
    """A task on training labels, with names that are numbers."""
    names = [str(place) for place in range(outputs)]
    return task.objective(names, task.statistics(names, labels), LossOptions(**options))


def make_setting(protocol: Protocol | None = None, *, classes: int = 3, **changes: Any) -> Setting:
    """Single-label training on the CPU that nobody watches, with the loss that the protocol asks for."""
    protocol = make_protocol() if protocol is None else protocol
    asked = {"label_smoothing": protocol.label_smoothing, "class_weights": protocol.class_weights}
    values: dict[str, Any] = {
        "protocol": protocol,
        "learning_rate": 1e-3,
        "order": torch.Generator(),
        "device": torch.device("cpu"),
        "report": lambda _event: None,
        "objective": make_objective(classes, **asked),
        "primary": SingleLabel().primary_metric,
    }
    return Setting(**(values | changes))


def make_cell(backbone: str = "torchvision/resnet18", strategy: str = "builtin/freeze", **changes: Any) -> Cell:
    """A cell on the CPU."""
    values: dict[str, Any] = {
        "backbone": backbone,
        "strategy": strategy,
        "source": "published",
        "dataset": "packaged/digits",
        "device": "cpu",
        "protocol": make_protocol(),
        "learning_rate": 0.003,
        "weights": PRETRAINED,
        "dataset_digest": "00",
    }
    return Cell.model_validate(values | changes)


def make_phase(**changes: Any) -> PhaseCost:
    """A training phase of a small trial."""
    values: dict[str, Any] = {
        "phase": 0,
        "steps": 33,
        "images": 132,
        "warmup_steps": 3,
        "warmup_seconds": 0.5,
        "step_ms": StepMs(median=20.0, p05=19.0, p95=24.0, n=30),
        "parts_ms": None,
        "images_per_second": 200.0,
        "trainable_parameters": 5_000,
        "forward_flops_per_image": None,
        "train_flops_per_image": None,
    }
    return PhaseCost.model_validate(values | changes)


def make_cost(**changes: Any) -> Cost:
    """What a small trial costs."""
    values: dict[str, Any] = {
        "concurrent_trials": 1,
        "paid_seconds": 9.0,
        "load_seconds": 1.0,
        "train_seconds": 7.0,
        "evaluate_seconds": 1.0,
        "warmup_steps": 3,
        "warmup_seconds": 0.5,
        "images_per_second": 200.0,
        "passes": 1.0,
        "inference_images_per_second": 900.0,
        "inference_images_per_second_one": 90.0,
        "phases": [make_phase()],
        "peak_memory_bytes": 300 * 2**20,
        "memory_basis": "resident-growth",
        "trainable_parameters": 5_000,
        "total_parameters": 11_000_000,
    }
    return Cost.model_validate(values | changes)


def make_record(cell: Cell, seed: int = 0, accuracy: float = 0.9, **cost: Any) -> Record:
    """The record of a trial that went well."""
    return Record(
        trial=_key(cell, seed),
        status="ok",
        started=NOON,
        weights=WeightsRecord(kind=cell.weights.kind, reason=cell.weights.reason),
        data=DataRecord(train_images=100, val_images=10, test_images=20, duplicates_train_test=0),
        metrics=make_metrics(accuracy),
        cost=make_cost(**cost),
    )


def make_metrics(accuracy: float, **changes: Any) -> Metrics:
    """A metric of test and val that is alike."""
    values = {"primary": "accuracy", "test": {"accuracy": accuracy}, "val": {"accuracy": accuracy}, "train_loss": 0.25}
    return Metrics.model_validate(values | changes)


def accuracy(record: Record) -> float:
    """Of test, in the record of a trial that went well."""
    assert record.metrics is not None, record.error
    found = record.metrics.test["accuracy"]
    assert found is not None
    return found


def columns(task: str) -> Sequence[Column]:
    """The columns of a task's tables, in a run of one task."""
    return columns_of(make_plan(), task)


def no_examples(_record: Record) -> None:
    """No predictions are at hand."""


def report_of(records: Iterable[Record], examples: Examples = no_examples, columns: Columns = columns) -> ReportData:
    """What reports of some records are made from."""
    return ReportData(list(records), examples, columns)


def table_of(records: Iterable[Record], examples: Examples = no_examples, columns: Columns = columns) -> DatasetTable:
    """The table of records of one dataset, or of the first."""
    return tables(report_of(records, examples, columns))[0]


def make_failure(cell: Cell, seed: int = 0, status: Status = "failed", **error: Any) -> Record:
    """The record of a trial that did not."""
    return Record(
        trial=_key(cell, seed),
        status=status,
        started=NOON,
        weights=WeightsRecord(kind=cell.weights.kind, reason=cell.weights.reason),
        error=ErrorRecord.model_validate({"type": "ValueError", "message": "the head is missing"} | error),
    )


def make_plan(*cells: Cell, name: str = "first", seeds: int = 1) -> Plan:
    """A plan of some cells."""
    return Plan(name=name, created=NOON, request=Request(seeds=seeds), cells=cells, provenance={}, tasks=TASKS)


def _key(cell: Cell, seed: int) -> TrialKey:
    return TrialKey(id=Trial(cell=cell, seed=seed).id, cell_id=cell.id, seed=seed, cell=cell)


def noise(number: int, size: int = 8, seed: int = 0) -> np.ndarray:
    """Different images, N×size×size×3."""
    return np.random.default_rng(seed).integers(0, 256, (number, size, size, 3), dtype=np.uint8)


def make_split(pixels: np.ndarray, classes: int = 2) -> Split:
    """A split of arrays whose labels go round."""
    return Split(labels=np.arange(len(pixels)) % classes, image=lambda index: pixels[index])


def make_dataset(train: Split, **changes: Any) -> Dataset:
    """A dataset of two classes, all of it in train unless said otherwise."""
    return Dataset(**({"classes": ("a", "b"), "train": train, "native_size": 8} | changes))


def save_split(folder: Path, split: str, pixels: np.ndarray, labels: np.ndarray) -> None:
    """Write a split as preparing does."""
    np.save(folder / f"{split}-images.npy", pixels)
    np.save(folder / f"{split}-labels.npy", labels)
    np.save(folder / f"{split}-indices.npy", np.arange(len(labels)))


def make_images(folder: Path, number: int, classes: int = 3, size: int = 8) -> Images:
    """A train split of `number` images of noise."""
    save_split(folder, "train", noise(number, size), np.arange(number) % classes)
    return load_split(folder, "train")


def load_split(folder: Path, split: str, preprocessing: Preprocessing = PLAIN) -> Images:
    """A written split as a trial opens it."""
    labels, indices = (torch.from_numpy(np.load(folder / f"{split}-{part}.npy")) for part in ("labels", "indices"))
    pixels = ArrayPixels(folder / f"{split}-images.npy", torch.device("cpu"))
    return Images(pixels, labels, indices, preprocessing, torch.device("cpu"))


def make_backbone(head: str | tuple[str, ...]) -> Backbone:
    """A backbone of which only the name of its head matters."""

    def build(num_classes: int, *, image_size: int, pretrained: bool) -> nn.Module:
        raise NotImplementedError

    return Backbone(build=build, head=head)


def write_tree(root: Path, classes: dict[str, int]) -> Path:
    """A tree of small images, so many a class."""
    random = np.random.default_rng(0)
    for name, number in classes.items():
        (root / name).mkdir(parents=True)
        for index in range(number):
            pixels = random.integers(0, 256, (20, 30, 3), dtype=np.uint8)
            PIL.Image.fromarray(pixels).save(root / name / f"{index:03}.png")
    return root


PROVENANCE = Provenance(plugin="p", distribution="p", version="1")
CPU = torch.device("cpu")


class Small(nn.Module):
    """A convolution and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 4, 3), nn.Linear(4, 3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.fc(self.conv(images).relu().mean((2, 3)))
        return logits


def make_context(folder: Path, made: Strategy, **changes: Any) -> Context:
    """A trial of twelve images of noise in three classes, ready to be carried out in this process."""
    images, setting, meters = make_images(folder, 12), make_setting(), Meters(CPU)
    model = TransferModel(Small(), make_backbone("fc"))
    entry = Entry("strategy", made.name, lambda _options: made, Options, "", PROVENANCE)
    values: dict[str, Any] = {
        "model": model,
        "build": lambda: model,
        "data": SimpleNamespace(train=images, val=images),
        "setting": setting,
        "seeds": Seeds(0, CHANCES),
        "strategy": Component(entry, Options()),
        "statistics": {},
        "strata": lambda labels: labels,
        "extra_metrics": (),
        "feature_inputs": partial(
            FeatureInputs,
            dataset_digest="",
            preprocessing=PLAIN,
            protocol=setting.protocol,
            device=CPU,
            memory=meters.memory,
        ),
        "cache": None,
        "start": Start(()),
        "pretrained": True,
        "meters": meters,
        "progress": Progress(),
    }
    return Context(**(values | changes))
