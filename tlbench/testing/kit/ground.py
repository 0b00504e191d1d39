"""What a strategy is tried on: a cell of a backbone and a dataset, with all that a trial's process is given."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tlbench.contracts.backbone import Backbone
from tlbench.contracts.dataset import Dataset
from tlbench.contracts.family import family_of
from tlbench.contracts.options import Options, SplitOptions
from tlbench.contracts.strategy import Strategy
from tlbench.contracts.task import Task
from tlbench.data.prepare import prepare
from tlbench.data.prepared import Limits, PreparedDataset, Wanted
from tlbench.engine.context import Context
from tlbench.errors import UserError
from tlbench.measure.cores import cpu_model, usable_cores
from tlbench.measure.machine import Machine
from tlbench.plan.cell import Cell, OtherBackbone, OtherDatasetPlan, Protocol, Trial, WeightsPlan
from tlbench.registry.chosen import in_use
from tlbench.registry.components import Component, Entry
from tlbench.registry.facts import presence
from tlbench.registry.kinds import Kind, Registry
from tlbench.registry.provenance import Provenance
from tlbench.results.store import RunFolder
from tlbench.testing.kit.tiny import tiny_cnn, tiny_images
from tlbench.trial.jobs import TrialJob
from tlbench.trial.save import save_model

OWN = Provenance(plugin="kit", distribution="kit", version="1")
"""Where objects come from that are given as they are."""
FALLBACK_RATE = 1e-3
"""Of a strategy that states no rate for AdamW."""
BATCH_SIZE = 12
MOST_IMAGES = 60
"""Images of a split of a dataset that is named: strategies are tried here, not compared."""


@dataclass(frozen=True)
class Ground:
    """A strategy, the backbone and the dataset that it is tried on, and a registry that has all three."""

    registry: Registry
    strategy: Component[Strategy]
    backbone: Component[Backbone]
    dataset: Component[Dataset]
    image_size: int

    def job(self, folder: Path, epochs: int, seed: int) -> TrialJob:
        """What a trial's process is given; the images are decoded into a folder."""
        dataset = self.dataset.load()
        task = self.registry.tasks.resolve(dataset.task)
        data = self._prepared(self.dataset, folder / "data")
        others = self._other_data(folder)
        cell = self._cell(task, data, epochs, others)
        return TrialJob(
            trial=Trial(cell=cell, seed=seed),
            data=data,
            other_data={name: prepared for name, (_, prepared) in others.items()},
            provenance={kind: each.entry.origin for kind, each in self._components(task).items()},
            plugins=in_use(),
            concurrent_trials=1,
            threads=1,
            machine=this_machine(),
            peak_flops_per_second=None,
            features="compute",
        )

    def observed(self, watch: Callable[[Strategy], Strategy]) -> Registry:
        """The registry with the strategy as somebody watches it."""
        made = watch(self.strategy.load())
        entry = dataclasses.replace(self.strategy.entry, factory=lambda _options: made)
        return dataclasses.replace(self.registry, strategies=with_entry(self.registry.strategies, entry))

    def save(self, context: Context, job: TrialJob, registry: Registry, folder: Path) -> None:
        """Write the model as a run with `--save` does; where it can't be rebuilt, a note says why."""
        job = dataclasses.replace(job, save=True)
        save_model(context, job, job.trial, registry, RunFolder(folder), context.model.notes)

    def model_folder(self, folder: Path) -> Path | None:
        """Where `save` has written the model; None where it has not."""
        return next(iter(RunFolder(folder).models.glob("*")), None)

    def _cell(
        self, task: Component[Task], data: PreparedDataset, epochs: int, others: dict[str, tuple[Component[Any], Any]]
    ) -> Cell:
        strategy, backbone = self.strategy.load(), self.backbone.load()
        weights = starts_from(strategy, backbone)
        return Cell(
            backbone=self.backbone.ref,
            source="published" if weights.kind == "pretrained" else "none",
            dataset=self.dataset.ref,
            strategy=self.strategy.ref,
            device="cpu",
            protocol=protocol_of(epochs, self.image_size),
            learning_rate=self._rate(strategy, backbone),
            weights=weights,
            others=tuple(self._other_backbones(strategy)),
            other_datasets=tuple(
                OtherDatasetPlan(
                    dataset=component.ref, digest=prepared.digest, task=prepared.task,
                    train_images=prepared.images["train"], options=component.resolved,
                )
                for component, prepared in others.values()
            ),
            dataset_digest=data.digest,
            task=task.ref,
            options={kind: each.resolved for kind, each in self._components(task).items() if each.resolved},
        )  # fmt: skip

    def _components(self, task: Component[Task]) -> dict[str, Component[Any]]:
        return {"backbone": self.backbone, "dataset": self.dataset, "strategy": self.strategy, "task": task}

    def _rate(self, strategy: Strategy, backbone: Backbone) -> float | None:
        if not strategy.learning_rates:
            return None
        module = backbone.build(2, image_size=self.image_size, pretrained=False)
        return strategy.rate("adamw", family_of(module)) or FALLBACK_RATE

    def _other_backbones(self, strategy: Strategy) -> list[OtherBackbone]:
        """The other backbones that it names, from random weights: nothing is downloaded."""
        names = strategy.others(self.strategy.options) if strategy.others else ()
        random = WeightsPlan(kind="random", reason="requested")
        found = [self.registry.backbones.resolve(name) for name in names]
        return [OtherBackbone(backbone=each.ref, weights=random, options=each.resolved) for each in found]

    def _other_data(self, folder: Path) -> dict[str, tuple[Component[Dataset], PreparedDataset]]:
        strategy = self.strategy.load()
        names = strategy.datasets(self.strategy.options) if strategy.datasets else ()
        components = {name: self.registry.datasets.resolve(name) for name in names}
        return {
            name: (each, self._prepared(each, folder / f"other-{place}"))
            for place, (name, each) in enumerate(components.items())
        }

    def _prepared(self, component: Component[Dataset], folder: Path) -> PreparedDataset:
        dataset = component.load()
        task = self.registry.tasks.resolve(dataset.task)
        options = component.options if isinstance(component.options, SplitOptions) else SplitOptions()
        wanted = Wanted(
            component.ref, task.ref, options, Limits(MOST_IMAGES, MOST_IMAGES), self.image_size,
            self.backbone.load().preprocessing.interpolation,
        )  # fmt: skip
        return prepare(wanted, dataset, task.load(), folder)


def grounds(
    registry: Registry,
    strategy: Strategy | str | Component[Strategy],
    options: Options | None = None,
    backbone: Backbone | str | None = None,
    dataset: Dataset | str | None = None,
    image_size: int = 16,
) -> Ground:
    """The ground for a strategy; what is left out is a tiny model and tiny images of a task that it serves.

    Raises UserError where a name is unknown, or the strategy serves no task that there are tiny images of.
    """
    component = strategy if isinstance(strategy, Component) else _strategy(registry, strategy, options)
    made = component.load()
    own = made.backbone if backbone is None else backbone
    model = tiny_cnn() if own is None else own
    images = _images_for(made) if dataset is None else dataset
    registry = dataclasses.replace(
        registry,
        strategies=with_entry(registry.strategies, component.entry),
        backbones=_having(registry.backbones, model),
        datasets=_having(registry.datasets, images),
    )
    return Ground(
        registry,
        component,
        registry.backbones.resolve(model if isinstance(model, str) else f"{OWN.plugin}/backbone"),
        registry.datasets.resolve(images if isinstance(images, str) else f"{OWN.plugin}/dataset"),
        image_size,
    )


def _strategy(registry: Registry, given: Strategy | str, options: Options | None) -> Component[Strategy]:
    if isinstance(given, str):
        component = registry.strategies.resolve(given)
        return component if options is None else Component(component.entry, options)
    entry = Entry("strategy", given.name, lambda _options: given, given.options, given.summary, OWN)
    return Component(entry, given.options() if options is None else options)


def _images_for(strategy: Strategy) -> Dataset:
    """Tiny images of the first built-in task that a strategy serves; raises UserError where it serves none of them."""
    for task in ("single-label", "multi-label", "regression"):
        if strategy.serves_task(f"tasks/{task}"):
            return tiny_images(task)
    raise UserError(f"strategy {strategy.name} serves no built-in task; give run_strategy a dataset of its task")


def _having(kind: Kind[Any], given: object) -> Kind[Any]:
    """A kind with an object under the name of the kit; with a name, as it is."""
    if isinstance(given, str):
        return kind
    return with_entry(kind, Entry(kind.name, kind.name, lambda _options: given, Options, "", OWN))


def with_entry(kind: Kind[Any], entry: Entry[Any]) -> Kind[Any]:
    """A kind with one entry more, or with another one of a name."""
    plugin = entry.origin.plugin
    entries = kind.entries | {plugin: {**kind.entries.get(plugin, {}), entry.name: entry}}
    return Kind(kind.name, entries, {plugin: [], **kind.families})


def starts_from(strategy: Strategy, backbone: Backbone) -> WeightsPlan:
    """Published weights where they are on this machine and the strategy wants them, else random ones."""
    weights = backbone.weights
    if not strategy.pretrained:
        return WeightsPlan(kind="random", reason="strategy")
    if weights is None:
        return WeightsPlan(kind="random", reason="none-published")
    if presence(weights.places) == "present":
        return WeightsPlan(kind="pretrained", name=weights.name)
    return WeightsPlan(kind="random", name=weights.name, reason="unavailable", detail="nothing is downloaded here")


def protocol_of(epochs: int, image_size: int) -> Protocol:
    """A run's defaults, with small batches."""
    return Protocol(
        epochs=epochs, batch_size=BATCH_SIZE, image_size=image_size, train_size=None, test_size=None, precision="fp32"
    )


def this_machine() -> Machine:
    """What is said of the machine in records that nobody keeps: the processor, and no more."""
    return Machine(
        platform="", python="", cpu=cpu_model(), cores=None, usable_cores=usable_cores(), governor=None,
        memory_bytes=0, accelerator=None, accelerator_memory_bytes=None, driver=None, cuda=None, cudnn=None,
        packages={}, git_commit=None,
    )  # fmt: skip
