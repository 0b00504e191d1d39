"""What backbones go on from: their own pretraining or a source, and why some can't go on from some."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

from tlbench.contracts.backbone import Backbone
from tlbench.contracts.dataset import Dataset
from tlbench.contracts.strategy import Strategy
from tlbench.plan.cell import SINGLE_LABEL, Protocol
from tlbench.plan.datasets import Loaded, as_wide
from tlbench.plan.sizes import check_size
from tlbench.plan.sources import DatasetSource, SavedSource, Source
from tlbench.registry.components import Component

if TYPE_CHECKING:
    from tlbench.contracts.model import TransferModel

Models = Mapping[tuple[str, str], "TransferModel | None"]


@dataclass(frozen=True)
class Start:
    """A backbone and what it has learned before the target, with the strategies that go on from it.

    `source` None is the backbone's own pretraining.
    """

    backbone: str
    source: Source | None
    strategies: tuple[str, ...]

    @property
    def name(self) -> str:
        """As messages name it."""
        return self.backbone if self.source is None else f"{self.backbone} from {self.source.name}"


@dataclass(frozen=True)
class Stage:
    """How backbones are trained on source datasets: the datasets and protocols by name, and the strategy."""

    data: Mapping[str, Loaded] = field(default_factory=dict)
    protocols: Mapping[str, Protocol] = field(default_factory=dict)
    strategy: tuple[Component[Strategy], Strategy] | None = None

    def trained_by(self) -> tuple[Component[Strategy], Strategy]:
        """The strategy; there is one wherever there is a source dataset."""
        assert self.strategy is not None
        return self.strategy


def starts_of(
    backbones: Sequence[str],
    wanted: Mapping[str, list[str]],
    strategies: Mapping[str, Strategy],
    sources: Sequence[Source | None],
) -> list[Start]:
    """What each backbone goes on from, and the strategies that do.

    What starts from random weights on purpose, or has a backbone of its own, has no source: it makes one cell.
    """
    others = [source for source in sources if source is not None]
    found = []
    for ref in backbones:
        moved = [name for name in wanted[ref] if strategies[name].pretrained and not strategies[name].backbone]
        own = wanted[ref] if None in sources else [name for name in wanted[ref] if name not in moved]
        found += [Start(ref, None, tuple(own)), *(Start(ref, source, tuple(moved)) for source in others)]
    return [start for start in found if start.strategies]


def unsourced(
    starts: Sequence[Start],
    stage: Stage,
    components: Mapping[str, Component[Backbone]],
    targets: Mapping[str, Dataset],
    models: Models,
) -> dict[tuple[str, str], str]:
    """By start and dataset, why the backbone can't go on from the source to the dataset."""
    found = {}
    for start in starts:
        for target_ref, target in targets.items() if start.source is not None else ():
            if isinstance(start.source, SavedSource):
                reason = _saved_misfit(start.source, components[start.backbone], target)
            else:
                assert start.source is not None
                reason = _dataset_misfit(
                    start.source, stage, target_ref, target, models.get((start.backbone, target_ref))
                )
            if reason is not None:
                found[start.name, target_ref] = f"source {start.source.name} can't serve {start.backbone}: {reason}"
    return found


def _saved_misfit(source: SavedSource, backbone: Component[Any], target: Dataset) -> str | None:
    if (another := source.of_another(backbone)) is not None:
        return another
    if source.channels != target.channels:
        return f"its images have {source.channels} channels, and those of the target {target.channels}"
    return None


def _dataset_misfit(
    source: DatasetSource, stage: Stage, target_ref: str, target: Dataset, model: TransferModel | None
) -> str | None:
    if source.name == target_ref:
        return "it is the target"
    if source.name not in stage.data:
        return "it is to be downloaded first"
    loaded = stage.data[source.name]
    if as_wide(loaded, target) is None:
        return f"its images have {loaded.dataset.channels} channels, and those of {target_ref} have {target.channels}"
    component, strategy = stage.trained_by()
    if not strategy.serves_task(loaded.task_component.ref):
        return f"{component.ref} does not serve its task, {loaded.task_component.ref}"
    if strategy.serves is not None and model is not None and (said := strategy.serves(model, component.options)):
        return f"{component.ref} can't train it: {said}"
    return None


def sourced_models(starts: Sequence[Start], stage: Stage, models: Models, usual: bool) -> Iterator[tuple[Any, Any]]:
    """What strategies judge backbones by that go on from a source: the backbone, whose source is another one.

    The source model whole is known where its task is single-label, and images are normalised as the source's were
    (`usual`).
    """
    for start in starts:
        for (ref, dataset), model in models.items() if start.source is not None else ():
            if ref == start.backbone:
                whole = usual and _task_of(start.source, stage) == SINGLE_LABEL
                yield (start.name, dataset), None if model is None else _from_source(model, whole)


def _task_of(source: Source | None, stage: Stage) -> str | None:
    if isinstance(source, SavedSource):
        return source.document.task.name
    loaded = None if source is None else stage.data.get(source.name)
    return None if loaded is None else loaded.task_component.ref


def _from_source(model: TransferModel, whole: bool) -> TransferModel:
    found = copy.copy(model)
    found.published = _not_trained_yet if whole else None
    return found


def _not_trained_yet() -> NoReturn:
    raise RuntimeError("the source model has no numbers before the run")


def check_source_sizes(backbones: Mapping[tuple[str, str], Backbone], stage: Stage) -> None:
    """Raise UserError where a backbone does not take the images of a source dataset in their size."""
    for name, protocol in stage.protocols.items():
        for (ref, _), backbone in backbones.items():
            check_size(ref, backbone, name, protocol.image_size)
