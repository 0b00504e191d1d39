"""A trial made ready, as its phases see it: its model, its splits, how it trains, and how far it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import torch

from tlbench.cache import StageCache
from tlbench.contracts.model import TransferModel
from tlbench.contracts.phases import Train
from tlbench.contracts.strategy import Strategy
from tlbench.contracts.task import ExtraMetric, Statistics
from tlbench.contracts.train_data import OtherDataset
from tlbench.data.batches import Images, TrialData
from tlbench.engine.cut import Cut
from tlbench.engine.distance import Start
from tlbench.engine.evaluate import Predictions, predict
from tlbench.engine.features import FeatureInputs, Features, evaluation_cut, feed_of
from tlbench.engine.feed import BatchSource, Feed
from tlbench.engine.seeds import Seeds
from tlbench.engine.setting import Setting
from tlbench.events import Event, Report, StepDone
from tlbench.measure.meters import Meters
from tlbench.registry.components import Component
from tlbench.results.records import EpochRecord


@dataclass
class Progress:
    """How far a trial is: for the record of one that fails, and for the figures of one that doesn't.

    `steps` is how many the phase that is on has, `trained` the numbers of every tensor that a phase has trained, by its
    name at that time.
    """

    phase: int | None = None
    step: int | None = None
    steps: int = 0
    weights_digest: str | None = None
    train_loss: float | None = None
    trained: dict[str, int] = field(default_factory=dict)
    history: list[EpochRecord] = field(default_factory=list)
    environment: dict[str, Any] | None = None

    def note_trained(self, parameters: Iterable[tuple[str, torch.Tensor]]) -> None:
        """A phase has trained these."""
        self.trained |= {name: each.numel() for name, each in parameters}

    def moment(self) -> tuple[int, int]:
        """The phase, from 0, and how many of its steps are done."""
        return self.phase or 0, self.step or 0

    def phase_steps(self) -> int:
        """How many steps the phase that is on has in all; 0 where it has none."""
        return self.steps

    def follow(self, report: Report) -> Report:
        """Note each step before it is reported."""

        def follow(event: Event) -> None:
            if isinstance(event, StepDone):
                self.step = event.step
            report(event)

        return follow


@dataclass(frozen=True)
class OtherImages:
    """The training images of another dataset that a strategy trains on, and what it is told of them."""

    images: Images
    described: OtherDataset


@dataclass(frozen=True)
class Context:
    """A trial made ready: its model, its splits, how it trains, and the strategy that will say what to do.

    `build` makes the same model again; `statistics` is what the task knows of train, `strata` the key that it
    stratifies by, `extra_metrics` are those that plugins add to the task; `feature_inputs` says what the features of a
    split are made of, `others` has the other datasets that the strategy trains on, by name. `cache` keeps features of
    frozen parts; None where they are to be computed in each step. `start` has the body's parameters as they were;
    `pretrained` says that they are not random.
    """

    model: TransferModel
    build: Callable[[], TransferModel]
    data: TrialData
    setting: Setting
    seeds: Seeds
    strategy: Component[Strategy]
    statistics: Statistics
    strata: Callable[[np.ndarray], np.ndarray]
    extra_metrics: tuple[ExtraMetric, ...]
    feature_inputs: Callable[..., FeatureInputs]
    cache: StageCache | None
    start: Start
    pretrained: bool
    meters: Meters
    progress: Progress
    others: Mapping[str, OtherImages] = field(default_factory=dict)

    def resident_bytes(self, source: BatchSource) -> int:
        """Bytes of images, and of a source of features, that stay on the GPU while a phase trains on the source."""
        splits = [self.data.train, self.data.val, *(each.images for each in self.others.values())]
        features = source.resident_bytes if isinstance(source, Features) else 0
        return features + sum(each.resident_bytes for each in splits)

    def in_budget(self, phase: Train) -> Train:
        """A phase with its share of the epochs; with a budget of passes, all trainings have the protocol's together."""
        strategy = self.strategy.load()
        if self.setting.protocol.budget == "epochs" or strategy.passes is None:
            return phase
        return replace(phase, epochs=phase.epochs / strategy.passes(self.strategy.options))

    def predict(self, split: Literal["val", "test"], images: Images, pieces: Cut | str | None = None) -> Predictions:
        """What the model, as it is now, says of a split, in the stage that is on."""
        fed = self.evaluation_feed(split, images, pieces)
        return predict(self.model.module, fed, images.indices, self.setting)

    def evaluation_cut(self) -> Cut | str:
        """The model cut, as it is now, for predictions of several splits; or why it isn't."""
        return evaluation_cut(self.model, self.feature_inputs(images=self.data.val, split="val"), self.cache)

    def evaluation_feed(self, split: Literal["val", "test"], images: Images, pieces: Cut | str | None = None) -> Feed:
        """What predictions of a split are made with: features of what is frozen now, where there are any."""
        inputs = self.feature_inputs(images=images, split=split)
        fed, features = feed_of(self.model, pieces or self.evaluation_cut(), inputs, self.cache)
        self.meters.share(features)
        return fed
