"""A strategy carried out in this process, by the engine that carries out trials: for tests of strategies."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tlbench.contracts.backbone import Backbone
from tlbench.contracts.dataset import Dataset
from tlbench.contracts.model import TransferModel
from tlbench.contracts.options import Options
from tlbench.contracts.part import Part
from tlbench.contracts.phases import Phase, Train
from tlbench.contracts.strategy import Strategy
from tlbench.data.prepared import PreparedDataset
from tlbench.engine.adapt import adapt
from tlbench.engine.context import Context, Progress
from tlbench.engine.seeds import chance_restored
from tlbench.registry.chosen import in_use
from tlbench.results.records import Metrics
from tlbench.temporary import temporary_folder
from tlbench.testing.kit.ground import Ground, grounds
from tlbench.testing.kit.subject import registry_of
from tlbench.trial.ready import make_ready
from tlbench.trial.scored import scored

CPU = torch.device("cpu")


@dataclass(frozen=True)
class CarriedOut:
    """A phase that was carried out, and the names of the model's parameters and buffers that it has changed."""

    phase: Phase
    changed: tuple[str, ...]


@dataclass(frozen=True)
class Trained:
    """What a strategy has left: the model, its figures, and the phases that were carried out, in order.

    `test` and `val` have the task's metrics by name, `images` all test images as the model is given them (N×3×S×S), and
    `outputs` what it makes of them. `start` has the model's tensors as they were, by name.
    """

    model: TransferModel
    metrics: Metrics
    phases: tuple[CarriedOut, ...]
    learning_rate: float | None
    images: torch.Tensor
    outputs: torch.Tensor
    start: Mapping[str, torch.Tensor]
    context: Context

    @property
    def module(self) -> nn.Module:
        """The trained model's module, in eval mode."""
        return self.model.module

    @property
    def test(self) -> dict[str, float | None]:
        """The metrics of test."""
        return self.metrics.test

    @property
    def val(self) -> dict[str, float | None]:
        """The metrics of val."""
        return self.metrics.val


def run_strategy(
    strategy: Strategy | str,
    *,
    backbone: Backbone | str | None = None,
    dataset: Dataset | str | None = None,
    options: Options | None = None,
    image_size: int = 16,
    epochs: int = 2,
    seed: int = 0,
) -> Trained:
    """Adapt a small model to small images by a strategy, really and in this process, in about a second.

    The strategy, the backbone and the dataset are objects, or names of registered ones, with options if need be; left
    out, the backbone is a residual network of 8 channels whose "published" weights are those of a seed, and the dataset
    has 36 training images of 16 pixels in three classes. Weights of a named backbone are random unless they lie on this
    machine. Raises what the strategy raises, PhaseError where the engine can't carry a phase out, and UserError where a
    name is unknown.
    """
    ground = grounds(registry_of(in_use()), strategy, options, backbone, dataset, image_size)
    return trained(ground, epochs, seed)


def trained(ground: Ground, epochs: int = 2, seed: int = 0, save: Path | None = None) -> Trained:
    """Carry a strategy out on the ground that was laid for it; the model is saved in a folder where one is given.

    The splits' files of test are out of reach while it trains.
    """
    seen: list[CarriedOut] = []
    with tempfile.TemporaryDirectory(dir=temporary_folder()) as folder, _left_as_it_was():
        job = ground.job(Path(folder), epochs, seed)
        registry = ground.observed(lambda strategy: _observed(strategy, seen))
        context = make_ready(job, registry, lambda _event: None, Progress())
        start = tensors_of(context.model)
        with _out_of_reach(job.data):
            adapt(context)
            val = context.predict("val", context.data.val)
        context.data.last_choice_made()
        images = context.data.open_test()
        metrics = scored(
            context.predict("test", images),
            val,
            context.progress.train_loss,
            context.extra_metrics,
            context.model.notes,
        )
        batch = images.batch(torch.arange(len(images))).images
        with torch.inference_mode():
            outputs = context.model.module.eval()(batch).float()
        if save is not None:
            ground.save(context, job, registry, save)
    return Trained(context.model, metrics, tuple(seen), context.setting.learning_rate, batch, outputs, start, context)


def _observed(strategy: Strategy, seen: list[CarriedOut]) -> Strategy:
    """The same strategy; each phase that it yields is noted with what it changes."""

    def phases(model: TransferModel, options: Any) -> Generator[Phase, Any, None]:
        yielded, found = iter(strategy.phases(model, options)), None
        while True:
            try:
                phase = yielded.send(found) if isinstance(yielded, Generator) else next(yielded)
            except StopIteration:
                return
            changed = phase.of if isinstance(phase, Train) and phase.of is not None else model
            before = tensors_of(changed)
            found = yield phase
            seen.append(CarriedOut(phase, _differ(before, tensors_of(changed))))

    return dataclasses.replace(strategy, phases=phases)


def tensors_of(model: TransferModel) -> dict[str, torch.Tensor]:
    """Copies of a model's parameters and buffers, by name."""
    tensors = (*model.module.named_parameters(), *model.module.named_buffers())
    return {name: tensor.detach().clone() for name, tensor in tensors}


def _differ(before: Mapping[str, torch.Tensor], after: Mapping[str, torch.Tensor]) -> tuple[str, ...]:
    """The names of tensors that are new, or not bit for bit what they were."""
    return tuple(name for name, each in after.items() if name not in before or not same(each, before[name]))


def same(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Whether two tensors have the same shape and the same bits, NaN among them."""
    return one.shape == other.shape and torch.equal(one.nan_to_num(), other.nan_to_num())


def outside(part: Part, names: tuple[str, ...]) -> list[str]:
    """The names of tensors that do not belong to a part."""
    return [name for name in names if not part.holds(name)]


@contextmanager
def _left_as_it_was() -> Iterator[None]:
    """Put back what a trial's process sets for itself: threads, determinism, chance; one thread meanwhile."""
    threads, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    benchmark = torch.backends.cudnn.benchmark
    with chance_restored(CPU):
        try:
            yield
        finally:
            torch.set_num_threads(threads)
            torch.use_deterministic_algorithms(deterministic)
            torch.backends.cudnn.benchmark = benchmark


@contextmanager
def _out_of_reach(data: PreparedDataset) -> Iterator[None]:
    """Let the files of test lie elsewhere in this block, so that what reads them raises FileNotFoundError."""
    away = data.folder / "shut"
    away.mkdir()
    moved = [each.rename(away / each.name) for each in data.folder.glob("test-*")]
    try:
        yield
    finally:
        for each in moved:
            each.rename(data.folder / each.name)
