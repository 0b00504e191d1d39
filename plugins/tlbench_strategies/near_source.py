"""The parameters, or what they compute, are kept near the source model's."""

from __future__ import annotations

import copy
from collections.abc import Generator, Iterable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field, field_validator

from tlbench import Look, Options, Phase, Train, strategy
from tlbench.toolkit import PhaseError
from tlbench_strategies import rates
from tlbench_strategies.closed_form import ends_in_linear

if TYPE_CHECKING:
    import torch

    from tlbench.contracts.batch import Batch
    from tlbench.contracts.model import Snapshot, TransferModel
    from tlbench.contracts.seen import Seen

NO_SOURCE = "it does not start from a published model with a head of its own for images normalised as they are here"


class L2SP(Options):
    """The strengths."""

    alpha: float = Field(0.1, ge=0, description="pull of the body to the source: alpha/2 · the squared distance")
    beta: float = Field(0.01, ge=0, description="pull of the head to 0: beta/2 · its squared norm")


@strategy(
    "l2-sp",
    learning_rates=rates.FULL,
    options=L2SP,
    paper="Li, Grandvalet & Davoine 2018, Explicit Inductive Bias for Transfer Learning, arXiv:1802.01483, eq. 2",
    when="there is little data, and the source task is akin",
)
def l2_sp(model: TransferModel, options: L2SP) -> Iterator[Phase]:
    """Train everything with an L2 penalty on the body's distance from the source parameters, and on the head's norm.

    As in the paper, the penalty is in place of the protocol's weight decay, which is off in this strategy.
    """
    source = model.snapshot(model.body)

    def penalty(model: TransferModel) -> torch.Tensor:
        return options.alpha / 2 * model.distance2(source) + options.beta / 2 * model.norm2(model.head)

    wanted = penalty if options.alpha or options.beta else None
    yield Train(model.everything, penalty=wanted, no_decay=model.everything)


class Delta(Options):
    """How strongly, and where."""

    alpha: float = Field(0.01, ge=0, description="strength of the penalty on feature maps")
    beta: float = Field(0.01, ge=0, description="pull of the head to 0: beta/2 · its squared norm")
    layers: int = Field(4, ge=1, description="after how many blocks, evenly spread, feature maps are compared")


@strategy(
    "delta",
    learning_rates=rates.FULL,
    options=Delta,
    paper="Li et al. 2019, DELTA, arXiv:1901.09229, eq. 4 and 5, without attention (their DELTA w/o ATT)",
    when="there is little data, and what the source model sees should stay the same more than its weights",
)
def delta(model: TransferModel, options: Delta) -> Iterator[Phase]:
    """Train everything with a penalty on how far feature maps are from those of the source model on the same images.

    For each compared block, alpha times the squared difference, summed over channels, averaged over images and places
    (the paper sums over places: alpha depends on the image size there). All channels weigh the same; the paper also
    weighs them by how much the target needs each. The head, which has no counterpart in the source, is pulled to 0 by
    beta/2 · its squared norm. As in the authors' code, the two are in place of the protocol's weight decay, which is
    off in this strategy.
    """
    import torch

    source = model.copy()
    watch = spread(model, options.layers)

    def objective(seen: Seen) -> torch.Tensor:
        with torch.no_grad(), source.watched(watch) as before:
            source.module(seen.images)
        apart = [map_distance(seen.activations[path], before[path]) for path in watch]
        return seen.loss + options.alpha * torch.stack(apart).sum()

    def penalty(model: TransferModel) -> torch.Tensor:
        return options.beta / 2 * model.norm2(model.head)

    yield Train(
        model.everything,
        objective=objective if options.alpha else None,
        watch=watch if options.alpha else (),
        penalty=penalty if options.beta else None,
        no_decay=model.everything,
    )


def spread(model: TransferModel, layers: int) -> tuple[str, ...]:
    """The paths of so many blocks, evenly spread, the last one among them."""
    paths = model.block_paths
    number = min(layers, len(paths))
    return tuple(paths[-(-len(paths) * (place + 1) // number) - 1] for place in range(number))


def map_distance(ours: torch.Tensor, theirs: torch.Tensor) -> torch.Tensor:
    """The squared difference of N×C×H×W maps or N×tokens×C, summed over channels, averaged over the rest."""
    import torch.nn.functional as F

    channels: int = ours.shape[1 if ours.ndim == 4 else -1]
    return channels * F.mse_loss(ours, theirs)


class BSS(Options):
    """How strongly, and how many."""

    eta: float = Field(1e-3, ge=0, description="strength of the penalty")
    k: int = Field(1, ge=1, description="how many of the smallest singular values are suppressed")


@strategy(
    "bss",
    learning_rates=rates.FULL,
    options=BSS,
    paper="Chen et al. 2019, Catastrophic Forgetting Meets Negative Transfer, NeurIPS, eq. 5",
    when="full transfers what harms: some of the source's features don't fit the target",
)
def bss(model: TransferModel, options: BSS) -> Iterator[Phase]:
    """Train everything with a penalty on the squares of the k smallest singular values of a batch's features."""
    import torch

    def objective(seen: Seen) -> torch.Tensor:
        values = torch.linalg.svdvals(seen.features.flatten(1).float())
        smallest: torch.Tensor = values[-options.k :].square().sum()
        return seen.loss + options.eta * smallest

    yield Train(model.everything, objective=objective if options.eta else None)


class EWC(Options):
    """How strongly, and what the importance is estimated from."""

    strength: float = Field(100.0, ge=0, description="lambda: strength of the penalty")
    samples: int = Field(128, ge=1, description="images that each parameter's importance is estimated from")
    source: Path | None = Field(
        None, description="a folder of the source's images at any depth; none: target images stand in for them"
    )

    @field_validator("source")
    @classmethod
    def _has_images(cls, value: Path | None) -> Path | None:
        from tlbench.toolkit import is_image

        if value is not None and not is_image(value.expanduser()):
            raise ValueError(f"there is no folder {value}, or no image in it")
        return value


def has_a_source_head(model: TransferModel, options: EWC) -> str | None:
    """Why the importance for the source task is not available, if so."""
    if options.source is None or model.published is not None:
        return None
    return NO_SOURCE


@strategy(
    "ewc",
    learning_rates=rates.FULL,
    tasks=("single-label",),
    options=EWC,
    serves=has_a_source_head,
    paper="Kirkpatrick et al. 2017, Overcoming catastrophic forgetting in neural networks, arXiv:1612.00796, eq. 3",
    when="the source task still counts, and there is a folder of its images; without one, it is l2-sp with weights "
    "that come from target images",
)
def ewc(model: TransferModel, options: EWC) -> Generator[Phase, Any, None]:
    """Train everything with a penalty on the body's distance from the source, weighted by each parameter's importance.

    The importance is the diagonal of the Fisher information. With `source=FOLDER` it is the paper's: that of the source
    task, on the source's images, for the source model's own head. Without, this is not the paper's EWC: no source data
    are at hand, so the importance is estimated on target images, for a head that is first trained on the frozen body
    for a tenth of the epochs, and says nothing of the source task. `notes` in the record says which. The protocol's
    weight decay stays.
    """
    if options.source is None:
        yield Train(model.head, epochs=0.1, lr=rates.head_factor(model))
        rest, look, model.notes["fisher"] = 0.9, fisher, "target images"
    else:
        rest, look, model.notes["fisher"] = 1.0, partial(source_fisher, options.source), "source images"
    source = model.snapshot(model.body)
    importance: Snapshot = yield Look(lambda model, batches: look(model, batches, options.samples))

    def penalty(model: TransferModel) -> torch.Tensor:
        import torch

        moving = ((name, each) for name, each in model.parameters(model.body) if name in importance)
        return options.strength / 2 * torch.stack(
            [(importance[name] * (each - source[name]).square()).sum() for name, each in moving]
        ).sum()  # fmt: skip

    yield Train(model.everything, epochs=rest, penalty=penalty if options.strength else None)


def source_fisher(folder: Path, model: TransferModel, batches: Iterable[Batch], samples: int) -> Snapshot:
    """The same of the source model, on images evenly chosen from a folder, in the size of the target's."""
    from tlbench.toolkit import batches_below

    like = next(iter(batches)).images
    batches = batches_below(folder.expanduser(), samples, like, model.preprocessing)
    return fisher(model.as_published(), batches, samples)


def fisher(model: TransferModel, batches: Iterable[Batch], samples: int) -> Snapshot:
    """The diagonal of the Fisher information of the body, over labels drawn from the model's own predictions."""
    import torch
    import torch.nn.functional as F

    model.train_only(model.body)
    module = model.module.eval()
    named = list(model.parameters(model.body))
    parameters = [parameter for _, parameter in named]
    squares = [torch.zeros_like(parameter) for parameter in parameters]
    images = (image for batch in batches for image in batch.images.split(1))  # type: ignore[no-untyped-call]
    seen = 0
    for image in islice(images, samples):
        scores = module(image).log_softmax(1)
        drawn = torch.multinomial(scores.detach().exp(), 1)[:, 0]
        gradients = torch.autograd.grad(F.nll_loss(scores, drawn), parameters)
        for total, gradient in zip(squares, gradients, strict=True):
            total.add_(gradient.square())
        seen += 1
    return {name: total / seen for (name, _), total in zip(named, squares, strict=True)}


class LwF(Options):
    """How strongly, and how softly."""

    strength: float = Field(1.0, ge=0, description="lambda: weight of the old outputs' loss")
    temperature: float = Field(2.0, gt=0, description="what logits are divided by before they are compared")


def knows_its_source(model: TransferModel, options: Options) -> str | None:
    """Why a model's old outputs are not available, if so."""
    if model.published is None:
        return f"{NO_SOURCE}, so there are no old outputs to keep"
    return ends_in_linear(model, options)


@strategy(
    "lwf",
    learning_rates=rates.FULL,
    options=LwF,
    serves=knows_its_source,
    paper="Li & Hoiem 2018, Learning without Forgetting, arXiv:1606.09282, eq. 1 to 3",
    when="the model must still do the source task, and the source's images are gone",
)
def lwf(model: TransferModel, options: LwF) -> Iterator[Phase]:
    """Train everything while the source's own head, kept on the side, goes on saying what the source model said.

    The new head is first trained alone for a fifth of the epochs (the paper's warm-up step). The old head is trained
    with the rest, and removed at the end. The source model looks at each batch as it is augmented; the paper records
    its outputs once.
    """
    if model.published is None:
        raise PhaseError("lwf keeps the outputs of the published model, and this one starts from random weights")
    source = model.published()
    (path,) = model.head_paths
    old_head = copy.deepcopy(source.get_submodule(path))
    yield Train(model.head, epochs=0.2, lr=rates.head_factor(model))
    model.attach("old_head", old_head)

    def objective(seen: Seen) -> torch.Tensor:
        import torch

        with torch.no_grad():
            before = source(seen.images)
        return seen.loss + options.strength * old_loss(old_head(seen.features), before, options.temperature)

    yield Train(model.everything, epochs=0.8, objective=objective)


def old_loss(now: torch.Tensor, before: torch.Tensor, temperature: float) -> torch.Tensor:
    """The cross-entropy of N×classes logits against earlier ones, both divided by a temperature, averaged over N."""
    return -((before / temperature).softmax(1) * (now / temperature).log_softmax(1)).sum(1).mean()


STRATEGIES = (l2_sp, delta, bss, ewc, lwf)
