"""Labels and outputs that tasks and metrics are tried on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from tlbench.contracts.dataset import Dataset
from tlbench.contracts.task import Kept, Objective, Statistics, Task
from tlbench.registry.components import Component
from tlbench.registry.kinds import Registry
from tlbench.testing.kit.checks import NotApplicable

EXAMPLES = 240
NAMES = ("a", "b", "c", "d")


@dataclass(frozen=True)
class Labelled:
    """A task on some labels: N of them as the task has them, the objective, and random outputs N×outputs."""

    task: Task
    names: tuple[str, ...]
    labels: torch.Tensor
    statistics: Statistics
    objective: Objective
    outputs: torch.Tensor

    @property
    def kept(self) -> Kept:
        """What the task keeps of the outputs."""
        return self.objective.kept(self.outputs, self.labels)


def labelled(task: Task, registry: Registry, names: tuple[str, str]) -> Labelled:
    """A task on labels that it takes: of a registered dataset of it, or of usual kinds; raises NotApplicable.

    `names` are the task's qualified and its own.
    """
    for classes, given in (*_of_datasets(registry, names), *_usual()):
        try:
            labels = task.checked(classes, given, "example {}".format)
            task.check_train(classes, labels)
        except ValueError:
            continue
        statistics = task.statistics(classes, labels)
        objective = task.objective(classes, statistics)
        drawn = torch.Generator().manual_seed(0)
        outputs = torch.randn(len(labels), objective.outputs, generator=drawn)
        return Labelled(task, classes, torch.from_numpy(labels), statistics, objective, outputs)
    raise NotApplicable(
        "it takes none of the kit's labels (N integers below 4, N×4 zeros and ones, N×4 floats), and no dataset of the "
        "task is registered beside it"
    )


def _of_datasets(registry: Registry, names: tuple[str, str]) -> Iterator[tuple[tuple[str, ...], np.ndarray]]:
    """The labels of datasets that name the task, of the plugin that brings it."""
    plugin = names[0].partition("/")[0]
    for entry in registry.datasets.entries.get(plugin, {}).values():
        if entry.needs_an_option:
            continue
        try:
            dataset: Dataset = Component(entry, entry.options()).load()
        except Exception:  # its own checks say what is wrong with it
            continue
        if dataset.task in names:
            yield tuple(map(str, dataset.classes)), np.asarray(dataset.train.labels)[:EXAMPLES]


def _usual() -> Iterator[tuple[tuple[str, ...], np.ndarray]]:
    """N integers, N×K zeros and ones, N×K floats."""
    random = np.random.default_rng(0)
    yield NAMES, np.arange(EXAMPLES) % len(NAMES)
    yield NAMES, (random.random((EXAMPLES, len(NAMES))) > 0.5).astype(np.int64)
    yield NAMES, random.normal(size=(EXAMPLES, len(NAMES))).astype(np.float32)
    yield NAMES[:1], random.normal(size=EXAMPLES).astype(np.float32)
