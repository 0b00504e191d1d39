"""A backbone: a model factory, and the facts that transfer needs of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import torch
    from torch import nn

Family = Literal["cnn", "cnn-without-norm", "transformer"]
"""Kinds of backbones that want different learning rates: `transformer` has LayerNorms and mostly linear layers."""
Interpolation = Literal["nearest", "bilinear", "bicubic", "lanczos"]


@dataclass(frozen=True)
class Preprocessing:
    """How images become a backbone's input: uint8 / 255, less `mean`, over `std`, per channel (RGB where there are 3).

    `size` is the side in pixels of the images that the weights were trained on; the default image size follows it.
    """

    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
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


Build = Callable[..., "nn.Module"]
"""Builds a module: `build(num_classes, image_size=…, pretrained=…)`, its head `num_classes` wide, for square images.

With `pretrained`, every tensor but the head's comes from the published weights; the head is new either way.
"""


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
    `published(image_size)` builds the model as it was published, with its own head, for what looks back at the source;
    `source_classes()` has the names of each of that head's outputs, in order (an identifier and words, say).
    `converted(state, image_size)` makes the tensors of a file those of the module, as the provider does when it loads
    such a file: older names, auxiliary heads left out, position embeddings of another size.
    `no_decay(module)` names the parameters that weight decay leaves alone, besides those of one dimension (biases,
    normalisation): class tokens, position embeddings, tables of relative positions. `size` is for `tlbench list`, which
    counts it where it is None. With `any_channels`, `build` takes `channels=` for images of another number of channels
    than the preprocessing has, and adapts the stem of pretrained weights to them.
    """

    build: Build
    head: str | tuple[str, ...]
    preprocessing: Preprocessing = Preprocessing()
    weights: Weights | None = None
    blocks: Callable[[nn.Module], Sequence[str | Block]] | None = None
    no_decay: Callable[[nn.Module], Collection[str]] | None = None
    published: Callable[[int], nn.Module] | None = None
    source_classes: Callable[[], Sequence[Sequence[str]]] | None = None
    converted: Callable[[dict[str, torch.Tensor], int], dict[str, torch.Tensor]] | None = None
    licence: str | None = None
    size: ModelSize | None = None
    any_channels: bool = False

    @property
    def head_paths(self) -> tuple[str, ...]:
        """The head's modules by path."""
        return (self.head,) if isinstance(self.head, str) else self.head
