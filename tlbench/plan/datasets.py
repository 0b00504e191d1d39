"""The datasets of a plan decoded, each once for an image size and an interpolation."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tlbench.cache import StageCache
from tlbench.contracts.backbone import Interpolation
from tlbench.contracts.dataset import Dataset
from tlbench.contracts.options import SplitOptions
from tlbench.contracts.strategy import Strategy
from tlbench.contracts.task import Task
from tlbench.data.prepare import prepare, prepare_cached
from tlbench.data.prepared import Limits, PreparedDataset, Wanted, shared_with_test
from tlbench.data.sample import prepare_sample
from tlbench.errors import UserError
from tlbench.plan.cell import OtherDatasetPlan, Protocol, ShiftPlan
from tlbench.plan.cells import load
from tlbench.plan.found import Note, Preparing, Tell
from tlbench.plan.named_dataset import find_dataset
from tlbench.plan.request import Request
from tlbench.plan.summary import summary
from tlbench.plan.weights import Means
from tlbench.registry.components import Component
from tlbench.registry.kinds import Registry


@dataclass(frozen=True)
class Loaded:
    """A dataset and its task, as their plugins make them."""

    component: Component[Dataset]
    dataset: Dataset
    task_component: Component[Task]
    task: Task

    @property
    def ref(self) -> str:
        """The dataset's qualified name."""
        return self.component.ref


@dataclass
class Decoder:
    """Decodes datasets: into the cache where they state what they are, else under the run's own folder."""

    request: Request
    means: Means
    folder: Path
    lease: str | None
    tell: Tell
    done: dict[tuple[str, int, int, Interpolation], PreparedDataset] = field(default_factory=dict)
    others: dict[tuple[Path, Path], OtherDatasetPlan] = field(default_factory=dict)
    shifts: dict[tuple[Path, Path], ShiftPlan] = field(default_factory=dict)

    def prepared(self, loaded: Loaded, protocol: Protocol, interpolation: Interpolation) -> PreparedDataset:
        """A dataset as a protocol wants it; told of when it is decoded for the first time."""
        key = (loaded.ref, loaded.dataset.channels, protocol.image_size, interpolation)
        if key not in self.done:
            first = all(ref != loaded.ref for ref, *_ in self.done)
            self.done[key] = self._decode(loaded, protocol, interpolation)
            said = summary(loaded.component, loaded.dataset, self.done[key], self.request, protocol)
            for text in said if first else ():
                self.tell(Note(text))
        return self.done[key]

    def other(self, loaded: Loaded, made: PreparedDataset, target: str, prepared: PreparedDataset) -> OtherDatasetPlan:
        """What the plan keeps of another dataset beside a target; the two are compared, and told of, once."""
        key = prepared.folder, made.folder
        if key not in self.others:
            plan = OtherDatasetPlan(
                **beside(loaded, made),
                task=loaded.task_component.ref,
                train_images=made.images["train"],
                test_images_shared=shared_with_test(prepared, made),
            )
            if plan.test_images_shared:
                self.tell(Note(f"warning: {plan.leak_into(target)}"))
            self.others[key] = plan
        return self.others[key]

    def _decode(self, loaded: Loaded, protocol: Protocol, interpolation: Interpolation) -> PreparedDataset:
        component, dataset, task = loaded.component, loaded.dataset, loaded.task
        options = component.options if isinstance(component.options, SplitOptions) else SplitOptions()
        wanted = Wanted(
            component.ref, loaded.task_component.ref, options, Limits(protocol.train_size, protocol.test_size),
            protocol.image_size, interpolation, self.request.drop_duplicates, self.request.skip_unreadable,
        )  # fmt: skip

        def progress(done: int, total: int) -> None:
            self.tell(Preparing(component.ref, done, total))

        folder = self.folder / str(len(self.done))
        if self.means.most_images is not None:
            return prepare_sample(wanted, dataset, task, self.means.most_images, folder, progress)
        if dataset.fingerprint is None:
            return prepare(wanted, dataset, task, folder, progress)
        return prepare_cached(wanted, dataset, task, StageCache(lease=self.lease), progress)


def beside(loaded: Loaded, made: PreparedDataset) -> dict[str, Any]:
    """What a plan keeps of any dataset beside a cell's own."""
    component = loaded.component
    return {
        "dataset": component.ref,
        "digest": made.digest,
        "options": component.resolved,
        "source_digest": component.local_digest,
    }


def other_datasets(registry: Registry, strategy: Component[Strategy]) -> dict[str, Loaded]:
    """The other datasets that a strategy trains on, as it names them."""
    named = strategy.load().datasets
    found = {}
    for name in named(strategy.options) if named else ():
        try:
            component = find_dataset(registry, name)
            component.check()
        except UserError as error:
            raise UserError(f"strategy {strategy.ref}: {error}") from error
        found[name] = loaded(registry, component)
    return found


def loaded(registry: Registry, component: Component[Dataset]) -> Loaded:
    """A dataset with its task."""
    dataset = load(component)
    task = registry.tasks.resolve(dataset.task)
    return Loaded(component, dataset, task, load(task))


def misfits(
    strategies: Mapping[str, Mapping[str, Loaded]], datasets: Mapping[str, Dataset]
) -> dict[tuple[str, str], str]:
    """By strategy and dataset, why no cell is made of them: another dataset that the strategy trains on can't serve."""
    said = {}
    for ref, others in strategies.items():
        for target_ref, target in datasets.items():
            for other in others.values():
                if other.ref == target_ref:
                    said[ref, target_ref] = f"{ref} trains on {other.ref} beside the target, and it is the target"
                elif as_wide(other, target) is None:
                    said[ref, target_ref] = (
                        f"{ref} trains on {other.ref}, whose images have {other.dataset.channels} channels, and those "
                        f"of {target_ref} have {target.channels}"
                    )
    return said


def as_wide(other: Loaded, target: Dataset) -> Loaded | None:
    """Another dataset read with the target's channels, grey as RGB or the other way; None where it can't be."""
    if other.dataset.channels == target.channels:
        return other
    if {other.dataset.channels, target.channels} != {1, 3}:
        return None
    return dataclasses.replace(other, dataset=dataclasses.replace(other.dataset, channels=target.channels))


def decode_others(
    decoder: Decoder,
    others: Mapping[str, Loaded],
    target: Loaded,
    prepared: PreparedDataset,
    protocol: Protocol,
    interpolation: Interpolation,
) -> dict[str, tuple[PreparedDataset, OtherDatasetPlan]]:
    """A strategy's other datasets in the target's image size, and what the plan keeps of them."""
    found = {}
    for name, other in others.items():
        wide = as_wide(other, target.dataset)
        assert wide is not None
        made = decoder.prepared(wide, protocol, interpolation)
        found[name] = made, decoder.other(other, made, target.ref, prepared)
    return found
