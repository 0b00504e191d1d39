"""The cells of sources: each backbone on each source dataset that its cells go on from, trained once."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from tlbench.data.prepared import SourceImages
from tlbench.plan.cell import SOURCE_SEED, Cell, Protocol, SourcePlan, trial_id
from tlbench.plan.cells import Pair, make_cell
from tlbench.plan.datasets import Loaded, as_wide
from tlbench.plan.pairing import Pairing
from tlbench.plan.published_source import head_places
from tlbench.plan.request import Request
from tlbench.plan.sources import DatasetSource, SavedSource, Source


@dataclass(frozen=True)
class SourceCells:
    """Plans the training on source datasets."""

    request: Request
    pairing: Pairing
    made: dict[tuple[str, str, int], Cell] = field(default_factory=dict)
    places: dict[str, tuple[int, ...] | str] = field(default_factory=dict)

    def plan(self, source: Source, target: Loaded, pair: Pair) -> SourcePlan:
        """What the cells of a pair have learned before, from a source."""
        if isinstance(source, SavedSource):
            return _of_saved(source)
        return self._of_dataset(source, target, pair)

    def images(self, source: Source | None, target: Loaded, pair: Pair, cell: Cell) -> SourceImages | str:
        """What a cell's source is measured on again, in the target's image size, or why there is nothing."""
        if isinstance(source, SavedSource):
            return f"the images of a saved model's dataset ({source.document.dataset}) are not part of the run"
        if source is not None:
            stage = self.pairing.looked.stage
            return self._prepared(stage.data[source.name], target, pair, stage.protocols[source.name])
        if cell.weights.kind != "pretrained":
            return f"the weights that it starts from are no published ones ({cell.weights.kind})"
        data, backbone = self.pairing.looked.source_data, self.pairing.looked.fitted[pair.backbone, target.ref]
        if data is None:
            return "the run has no images of what the weights were trained on; name some with --source-data"
        if pair.protocol.normalisation != "weights":
            return "images are not normalised as the published weights' were"
        if pair.backbone not in self.places:
            self.places[pair.backbone] = head_places(pair.backbone, backbone, data)
        places = self.places[pair.backbone]
        if isinstance(places, str):
            return places
        found = self._prepared(data, target, pair, pair.protocol)
        return found if isinstance(found, str) else replace(found, outputs=places)

    def _prepared(self, source: Loaded, target: Loaded, pair: Pair, protocol: Protocol) -> SourceImages | str:
        loaded = as_wide(source, target.dataset)
        if loaded is None:
            return f"the images of {source.ref} have {source.dataset.channels} channels, unlike those of the target"
        sized = protocol.model_copy(update={"image_size": pair.protocol.image_size})
        interpolation = self.pairing.looked.fitted[pair.backbone, target.ref].preprocessing.interpolation
        return SourceImages(loaded.ref, self.pairing.decoder.prepared(loaded, sized, interpolation))

    def _of_dataset(self, source: DatasetSource, target: Loaded, pair: Pair) -> SourcePlan:
        stage, decoder = self.pairing.looked.stage, self.pairing.decoder
        loaded = as_wide(stage.data[source.name], target.dataset)
        assert loaded is not None
        backbone = self.pairing.looked.fitted[pair.backbone, target.ref]
        cell = self._cell(pair, target.ref, loaded)
        data = decoder.prepared(loaded, stage.protocols[source.name], backbone.preprocessing.interpolation)
        return SourcePlan(
            kind="dataset",
            name=source.name,
            trial=trial_id(cell.id, SOURCE_SEED),
            strategy=cell.strategy,
            data=decoder.other(loaded, data, target.ref, pair.data),
        )

    def _cell(self, target: Pair, target_ref: str, loaded: Loaded) -> Cell:
        """The cell of the pair's backbone on a source dataset, made once for images of so many channels."""
        key = target.backbone, loaded.ref, loaded.dataset.channels
        if key not in self.made:
            looked, found = self.pairing.looked, self.pairing.found
            backbone, protocol = looked.fitted[target.backbone, target_ref], looked.stage.protocols[loaded.ref]
            pair, tried = self.pairing.of(target.backbone, backbone, loaded, protocol, target.family)
            own = self.request.model_copy(update={"tune": (), "corruptions": ()})  # the target's alone
            cell = make_cell(own, pair, *looked.stage.trained_by(), (), ())
            found.sources.append(cell)
            found.keep(cell, pair.data, {}, tried)
            found.shifted[cell.id] = {}
            self.made[key] = cell
        return self.made[key]


def _of_saved(source: SavedSource) -> SourcePlan:
    return SourcePlan(
        kind="saved",
        name=source.name,
        trial=source.document.trial,
        digest=source.digest,
        path=str(source.folder.absolute()),
        strategy=source.document.strategy.name,
    )
