"""What a plugin brings: backbones, datasets and strategies.

This module imports neither torch nor any provider, so that registering costs nothing.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    import numpy as np
    import PIL.Image
    import torch
    from torch import nn

    from tlbench.engine.model import TransferModel
    from tlbench.phases import Phase

API_VERSION = 1
"""The version of the hooks and contracts; a plugin states the one it was written for as `tlbench_api`."""

Family = Literal["cnn", "cnn-without-norm", "transformer"]
"""Kinds of backbones that want different learning rates: `transformer` has LayerNorms and mostly linear layers."""
BatchNormPolicy = Literal["auto", "train", "frozen"]
"""Whether BatchNorm statistics of what is trained move: they do, they don't, or a phase's steps and batches decide."""
Rates = Mapping[str, float | Mapping[Family, float]]
"""Learning rates by optimizer, and by family of backbones where they differ."""
Interpolation = Literal["nearest", "bilinear", "bicubic", "lanczos"]


class Options(BaseModel):
    """The base of a component's options: typed, documented by `Field(description=…)`, unknown names refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True)
class Preprocessing:
    """How images become a backbone's input: uint8 / 255, less `mean`, over `std`, per RGB channel.

    `size` is the side in pixels of the images that the weights were trained on; the default image size follows it.
    """

    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    interpolation: Interpolation = "bilinear"
    size: int = 224


@dataclass(frozen=True)
class ModelSize:
    """A backbone's parameters with a head of ImageNet's 1,000 classes, and the multiply-adds of one image's prediction.

    The image has the size of the backbone's preprocessing.
    """

    parameters: int
    multiply_adds: int


@dataclass(frozen=True)
class Weights:
    """The identity of published weights and the way to get them.

    `fetch` makes them lie on this machine, or raises `WeightsUnavailable` with the reason. `places` are where they lie
    then: paths, or patterns of paths as `glob` has them. `imagenet_accuracy` is the top-1 accuracy on ImageNet-1k's
    validation images, in 0..1, that the publisher states.
    """

    name: str
    fetch: Callable[[], object]
    url: str | None = None
    licence: str | None = None
    places: tuple[str, ...] | None = None
    imagenet_accuracy: float | None = None


class Build(Protocol):
    """Builds a backbone's module, its head `num_classes` wide, for square images of `image_size` pixels.

    With `pretrained`, every tensor but the head's comes from the published weights; the head is new either way.
    """

    def __call__(self, num_classes: int, *, image_size: int, pretrained: bool) -> nn.Module: ...


@dataclass(frozen=True)
class Block:
    """A block of a backbone's body: a residual or transformer block, a plain convolution with its norm, or the stem.

    `name` is the path of the module whose output is the block's output. `modules` has the paths of all modules that
    belong to it, and the names of single tensors (`cls_token`, `pos_embed`); left out, it is `name` alone. `neck` has
    those of `modules` that run after the last block and before the head (final norm, convolution head): they belong
    to the last block, and only layer-wise learning rates count them to the head. `stage` numbers the stage that the
    block is in; the stem is in the first. Where it is left out, blocks in one container are a stage.
    """

    name: str
    modules: tuple[str, ...] = ()
    neck: tuple[str, ...] = ()
    stage: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "modules", tuple(dict.fromkeys((*(self.modules or (self.name,)), *self.neck))))

    def inside(self, path: str) -> Block:
        """The same block of a module that lies at a path of another."""
        modules, neck = ([f"{path}.{name}" for name in names] for names in (self.modules, self.neck))
        return Block(f"{path}.{self.name}", tuple(modules), tuple(neck), self.stage)


@dataclass(frozen=True)
class Backbone:
    """A model factory and the facts that transfer needs of it.

    `head` names the module (or modules) that maps features to classes. `blocks` gives the body's blocks from input to
    output, each as a `Block` or as the path of a module; left out, they are found from the module tree. What belongs to
    none of them joins one by its place: what comes before the first block is the stem, what comes between two blocks
    goes with the second, what comes after the last goes with it. `weights` is None where none are published.
    `published(image_size)` builds the model as it was published, with its own head, for what looks back at the source.
    `converted(state, image_size)` makes the tensors of a file those of the module, as the provider does when it loads
    such a file: older names, auxiliary heads left out, position embeddings of another size.
    `no_decay(module)` names the parameters that weight decay leaves alone, besides those of one dimension (biases,
    normalisation): class tokens, position embeddings, tables of relative positions. `size` is for `tlbench list`, which
    counts it where it is None.
    """

    build: Build
    head: str | tuple[str, ...]
    preprocessing: Preprocessing = Preprocessing()
    weights: Weights | None = None
    blocks: Callable[[nn.Module], Sequence[str | Block]] | None = None
    no_decay: Callable[[nn.Module], Collection[str]] | None = None
    published: Callable[[int], nn.Module] | None = None
    converted: Callable[[dict[str, torch.Tensor], int], dict[str, torch.Tensor]] | None = None
    licence: str | None = None
    size: ModelSize | None = None

    @property
    def head_paths(self) -> tuple[str, ...]:
        """The head's modules by path."""
        return (self.head,) if isinstance(self.head, str) else self.head


@dataclass(frozen=True)
class Split:
    """Labelled images: `image(i)` decodes example `i`, whose class is `labels[i]`.

    `image` gives a PIL image of any mode, or an array, H×W, H×W×1, H×W×3 or H×W×4, of uint8, bool, floats in 0..1, or
    other integers, which are scaled alike for the whole dataset. `describe(i)` names the example in an error message:
    its file, where it has one. `image` may be called from several threads at once.
    """

    labels: Sequence[int] | np.ndarray
    image: Callable[[int], PIL.Image.Image | np.ndarray]
    describe: Callable[[int], str] = "example {}".format

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Dataset:
    """A split, labelled image collection for single-label classification.

    Where `val` (or `test`) is None, a stratified one is cut from `train` by content hash. `native_size` is the
    usual length in pixels of an image's shorter side; the default image size follows it. `fingerprint` changes
    whenever an image or a label does; a dataset that states one is decoded once and kept for later runs. `value_range`
    has the values that become black and white in images of more than 8 bits; left out, they follow from the images.
    `notes` are sentences for the person who starts a run, on what was found and left out.
    """

    classes: Sequence[str]
    train: Split
    native_size: int
    val: Split | None = None
    test: Split | None = None
    domain: str = "unknown"
    licence: str = "unknown"
    fingerprint: str | None = None
    value_range: tuple[float, float] | None = None
    notes: Sequence[str] = ()


class SplitOptions(Options):
    """How much of a dataset to use: a number of images, or below 1 a fraction; left out, all of it."""

    train: float | None = None
    val: float | None = None
    test: float | None = None

    def model_post_init(self, _context: Any) -> None:
        for name in ("train", "val", "test"):
            value = getattr(self, name)
            if value is not None and not (0 < value <= 1 or (math.isfinite(value) and value > 1 and value % 1 == 0)):
                raise ValueError(f"{name} must be a number of images or a fraction between 0 and 1, not {value}")


@dataclass(frozen=True)
class Strategy:
    """How a pretrained model is adapted: a generator of phases, and the learning rate it wants by default.

    `learning_rates` maps an optimizer's name to the strategy's default rate, or to one for each family of backbones;
    empty, the strategy has no steps. `passes(options)` is how many times the protocol's epochs its phases train in all,
    where that is not once. `batchnorm` says whether the BatchNorm statistics of what it trains move where the request
    leaves that open (`auto`: by the number of steps). With
    `pretrained=False` it starts from random weights on purpose. With a `backbone` of its own (a qualified name), it
    makes one cell for each dataset, whatever backbones are asked for.

    `serves(model, options)` says why the strategy can't adapt a model, naming the layers, or None; the model has names
    and shapes, but no numbers. `others(options)` names the other backbones that the strategy builds by
    `model.another`. `summary`, `details`, `paper` and `when` (to use it) are for `tlbench list` and the documentation.
    """

    name: str
    phases: Callable[[TransferModel, Any], Iterator[Phase]]
    learning_rates: Rates
    options: type[Options] = Options
    pretrained: bool = True
    backbone: str | None = None
    serves: Callable[[TransferModel, Any], str | None] | None = None
    others: Callable[[Any], Sequence[str]] | None = None
    passes: Callable[[Any], float] | None = None
    batchnorm: BatchNormPolicy = "auto"
    summary: str = ""
    details: str = ""
    paper: str = ""
    when: str = ""

    def rate(self, optimizer: str, family: Family) -> float | None:
        """The default rate with an optimizer for a family of backbones; None where the strategy states none."""
        rates = self.learning_rates.get(optimizer)
        return rates.get(family) if isinstance(rates, Mapping) else rates


def strategy(
    name: str,
    *,
    learning_rates: Rates,
    options: type[Options] = Options,
    pretrained: bool = True,
    backbone: str | None = None,
    serves: Callable[[TransferModel, Any], str | None] | None = None,
    others: Callable[[Any], Sequence[str]] | None = None,
    passes: Callable[[Any], float] | None = None,
    batchnorm: BatchNormPolicy = "auto",
    paper: str = "",
    when: str = "",
) -> Callable[[Callable[[TransferModel, Any], Iterator[Phase]]], Strategy]:
    """Make a strategy of a generator function; its docstring's first line is the summary, the rest the details."""

    def wrap(phases: Callable[[TransferModel, Any], Iterator[Phase]]) -> Strategy:
        summary, _, details = inspect.cleandoc(phases.__doc__ or "").partition("\n")
        rates = dict(learning_rates)
        return Strategy(
            name,
            phases,
            rates,
            options,
            pretrained,
            backbone,
            serves,
            others,
            passes,
            batchnorm,
            summary=summary,
            details=details.strip(),
            paper=paper,
            when=when,
        )

    return wrap
