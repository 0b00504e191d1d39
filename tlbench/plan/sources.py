"""What backbones learn before the target, as a request names it. Imports no torch: mistakes are told at once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tlbench.contracts.dataset import Dataset
from tlbench.contracts.strategy import Strategy
from tlbench.errors import UserError
from tlbench.plan.named_dataset import find_dataset
from tlbench.plan.request import PRETRAINED, Request
from tlbench.registry.components import Component
from tlbench.registry.kinds import Registry
from tlbench.saved.document import SavedDocument, read_document
from tlbench.words import counted

SAVED = "saved:"


@dataclass(frozen=True)
class DatasetSource:
    """A dataset that backbones are trained on first."""

    component: Component[Dataset]

    @property
    def name(self) -> str:
        """Its qualified name."""
        return self.component.ref


@dataclass(frozen=True)
class SavedSource:
    """A model that an earlier run has saved, and its document."""

    folder: Path
    document: SavedDocument

    @property
    def name(self) -> str:
        """The trial that left it."""
        return f"saved/{self.document.trial}"

    @cached_property
    def channels(self) -> int:
        """How many channels its images have."""
        return len(self.document.preprocessing.mean)

    @cached_property
    def digest(self) -> str:
        """16 hex digits of its tensors' file."""
        from tlbench.saved.body import open_body

        return open_body(self.folder).digest

    def of_another(self, backbone: Component[object]) -> str | None:
        """Why a backbone can't go on from it: it is another backbone's, or one with other options. None if it can."""
        saved = self.document.backbone
        if saved.name != backbone.entry.qualified:
            return f"it is a {saved.name}"
        if saved.options != backbone.resolved:
            return f"it is a {saved.name} with the options {saved.options}"
        return None


Source = DatasetSource | SavedSource


def find_sources(request: Request, registry: Registry) -> list[Source | None]:
    """The request's sources, each once; None is the backbones' own pretraining.

    Raises UserError where a source is neither a dataset nor a saved model, or where `--source-strategy` can't train
    backbones on it.
    """
    found = {spec: _source(spec, registry) for spec in request.sources}
    distinct: dict[str, Source | None] = {"" if each is None else each.name: each for each in found.values()}
    if any(isinstance(each, DatasetSource) for each in distinct.values()):
        source_strategy(request, registry)
    elif request.source_epochs is not None:
        raise UserError(
            f"--source-epochs {request.source_epochs} is for a source dataset, and --sources "
            f"{','.join(request.sources)} names none"
        )
    return list(distinct.values())


def source_strategy(request: Request, registry: Registry) -> Component[Strategy]:
    """The strategy that trains backbones on source datasets; raises UserError where it leaves no such backbone."""
    component = registry.strategies.resolve(request.source_strategy)
    component.check()
    reason = _unfit(component.load(), component)
    if reason:
        raise UserError(
            f"--source-strategy {request.source_strategy}: {reason}; name one that trains the backbone's body and "
            f"keeps its structure, as full does"
        )
    return component


def _unfit(strategy: Strategy, component: Component[Strategy]) -> str | None:
    """Why a strategy is none for a source."""
    if not strategy.learning_rates or strategy.head_only:
        return "it does not train the body"
    if strategy.backbone is not None:
        return f"it has a backbone of its own, {strategy.backbone}"
    if strategy.rebuild is not None:
        return "it changes the model's structure"
    if strategy.not_saved:
        return f"its models can't be saved: {strategy.not_saved}"
    others = [*(strategy.others(component.options) if strategy.others else ())]
    others += strategy.datasets(component.options) if strategy.datasets else ()
    return f"it needs {counted(len(others), 'other backbone or dataset')}" if others else None


def _source(spec: str, registry: Registry) -> Source | None:
    if spec == PRETRAINED:
        return None
    if spec.startswith(SAVED):
        folder = Path(spec.removeprefix(SAVED)).expanduser()
        document = read_document(folder)
        if registry.strategies.resolve(document.strategy.name).load().rebuild is not None:
            raise UserError(
                f"--sources {spec!r}: {document.strategy.name} has changed the structure of that model; use it as a "
                f"backbone, --backbones {spec}"
            )
        return SavedSource(folder, document)
    try:
        component = find_dataset(registry, spec)
        component.check()
    except UserError as error:
        remedy = f"--sources takes {PRETRAINED}, datasets, and {SAVED}FOLDER of a saved model"
        raise UserError(f"--sources {spec!r}: {error}; {remedy}") from None
    return DatasetSource(component)
