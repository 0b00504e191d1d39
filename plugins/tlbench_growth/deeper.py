"""Layers and blocks put into a model that give what they are given (Net2DeeperNet)."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import torch
from torch import nn

from tlbench.contracts import Block
from tlbench.contracts.batch import Batch
from tlbench.contracts.model import TransferModel
from tlbench.contracts.structure import lies_in
from tlbench_growth.residual import copy_as_identity, repeatable
from tlbench_growth.tracing import path_of, traced

IDEMPOTENT = (nn.ReLU, nn.ReLU6)
"""Activations that leave alone what they have given: a layer that is the identity may be put between two of them."""
BATCHES = 10
"""So many batches of training images are looked at for the statistics of a BatchNorm that is put in."""


@dataclass(frozen=True)
class Place:
    """Where layers are put in: behind the activation at `path`, like those at `layer` and `norm`, which it follows.

    In a residual network `path` is a block, and there is no layer.
    """

    path: str
    layer: str | None = None
    norm: str | None = None


@dataclass(frozen=True)
class Statistics:
    """Mean and variance of each channel at a place."""

    mean: torch.Tensor
    variance: torch.Tensor


def places(model: TransferModel) -> list[Place]:
    """One place for each stage that has one: behind its last residual block, or its last activation.

    In a residual network, stages without a block that passes on what it is given have none.
    """
    blocks = repeatable(model)
    found = [Place(path) for path in blocks] or _activations(model)
    last = {}
    for place in found:
        stage = next((each.stage for each in model.layout if lies_in(place.path, each.modules)), None)
        if stage is not None:
            last[stage] = place
    return list(last.values())


def why_not(model: TransferModel) -> str | None:
    """Why nothing can be put into a model, if so."""
    if places(model):
        return None
    kinds = sorted({type(model.module.get_submodule(each.name)).__name__ for each in model.layout})
    return (
        "it has no block that adds to what it is given, and no ReLU of its own behind a convolution or linear layer; "
        f"its blocks are {', '.join(kinds)}"
    )


def statistics(model: TransferModel, batches: Iterable[Batch], at: Sequence[Place]) -> dict[str, Statistics]:
    """Of the first batches, mean and variance of what the model has, in eval mode, at the places that have a norm."""
    paths = [place.path for place in at if place.norm]
    means = {path: torch.zeros((), dtype=torch.float64) for path in paths}
    squares, counts = dict(means), dict.fromkeys(paths, 0)
    model.module.eval()
    for batch in islice(batches, BATCHES if paths else 0):
        with torch.no_grad(), model.watched(paths) as seen:
            model.module(batch.images)
        for path, given in seen.items():
            rest = [dimension for dimension in range(given.ndim) if dimension != 1]
            variance, mean = (each.cpu().double() for each in torch.var_mean(given.float(), rest, correction=0))
            share = len(given) / (counts[path] + len(given))
            counts[path] += len(given)
            means[path] = torch.lerp(means[path], mean, share)
            squares[path] = torch.lerp(squares[path], variance + mean.square(), share)
    return {path: Statistics(mean, squares[path] - mean.square()) for path, mean in means.items()}


@torch.no_grad()
def deepen(model: TransferModel, number: int, known: Mapping[str, Statistics]) -> None:
    """Put `number` layers or blocks into each stage, in place, each the identity.

    A layer has an identity for its weight (Dirac's kernel). A BatchNorm behind it has the statistics of what flows in,
    and the factors and offsets that undo it; without `known` statistics, mean 0 and variance 1. A block's branches end
    with 0.
    """
    for place in places(model):
        if place.layer is None:
            _repeat(model, place.path, number)
        else:
            _insert(model, place, number, known.get(place.path))


def _insert(model: TransferModel, place: Place, number: int, known: Statistics | None) -> None:
    """Behind an activation: so many layers, each with its norm and activation."""
    activation = model.module.get_submodule(place.path)
    layers = [activation]
    for _ in range(number):
        assert place.layer is not None
        layers.append(identity_like(model.module.get_submodule(place.layer)))
        if place.norm is not None:
            layers.append(_undone_norm(model.module.get_submodule(place.norm), known))
        layers.append(copy.deepcopy(activation))
    model.module.set_submodule(place.path, nn.Sequential(*layers))


def identity_like(layer: nn.Module) -> nn.Module:
    """A layer of the kind and the kernel of another one that gives what it is given."""
    device, dtype = layer.weight.device, layer.weight.dtype
    has_bias = layer.bias is not None
    new: nn.Linear | nn.Conv2d
    if isinstance(layer, nn.Linear):
        new = nn.Linear(layer.out_features, layer.out_features, has_bias, device, dtype)
        nn.init.eye_(new.weight)
    else:
        assert isinstance(layer, nn.Conv2d)
        height, width = layer.kernel_size
        padding, channels = (height // 2, width // 2), layer.out_channels
        new = nn.Conv2d(channels, channels, (height, width), padding=padding, bias=has_bias, device=device, dtype=dtype)
        nn.init.dirac_(new.weight)
    if new.bias is not None:
        nn.init.zeros_(new.bias)
    return new


def _undone_norm(norm: nn.Module, known: Statistics | None) -> nn.Module:
    """A BatchNorm with statistics and what undoes them."""
    assert isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d)
    new = copy.deepcopy(norm)
    new.reset_parameters()
    assert new.running_mean is not None and new.running_var is not None
    if known is not None:
        new.running_mean.copy_(known.mean)
        new.running_var.copy_(known.variance.clamp(min=0))
    new.weight.copy_((new.running_var + new.eps).sqrt())
    new.bias.copy_(new.running_mean)
    return new


def _repeat(model: TransferModel, path: str, number: int) -> None:
    """Behind a residual block: so many more, each a block of the model's layout."""
    parent, _, name = path.rpartition(".")
    sequence = model.module.get_submodule(parent)
    place = next(place for place, each in enumerate(model.layout) if each.name == path)
    block = model.layout[place]
    names = [f"{name}_{more}" for more in range(1, number + 1)]
    added = [Block(f"{parent}.{each}", stage=block.stage) for each in names]
    if block.neck:  # which runs behind the last block of all
        own = tuple(each for each in block.modules if each not in block.neck)
        block, added[-1] = replace(block, modules=own, neck=()), replace(added[-1], neck=block.neck)
    model.layout = [*model.layout[:place], block, *added, *model.layout[place + 1 :]]
    children = list(sequence.named_children())
    for each, _ in children:
        delattr(sequence, each)
    for each, child in children:
        sequence.add_module(each, child)
        for new in names if each == name else ():
            sequence.add_module(new, copy_as_identity(child))


def _activations(model: TransferModel) -> list[Place]:
    """The activations, each called once, behind a layer or its norm, in the order in which they run."""
    nodes = [node for node in traced(model.module).nodes if path_of(node) is not None]
    calls = [path_of(node) for node in nodes]
    found = []
    for node in nodes:
        path = path_of(node)
        assert path is not None
        if type(model.module.get_submodule(path)) not in IDEMPOTENT or calls.count(path) > 1:
            continue
        before = path_of(node.all_input_nodes[0])
        norm = before if before is not None and _is_norm(model.module.get_submodule(before)) else None
        layer = path_of(node.all_input_nodes[0].all_input_nodes[0]) if norm is not None else before
        if layer is not None and _can_be_identity(model.module.get_submodule(layer)):
            found.append(Place(path, layer, norm))
    return found


def _is_norm(layer: nn.Module) -> bool:
    """A BatchNorm with statistics, and with factors and offsets that can undo them."""
    if not isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
        return False
    is_own = type(layer) in (nn.BatchNorm1d, nn.BatchNorm2d)  # and no subclass, which may do more
    return is_own and layer.affine and layer.running_mean is not None


def _can_be_identity(layer: nn.Module) -> bool:
    """Linear layers, and convolutions whose kernel has a middle."""
    kernel = layer.kernel_size if type(layer) is nn.Conv2d else (1, 1) if type(layer) is nn.Linear else (0, 0)
    return all(isinstance(each, int) and each % 2 for each in kernel)
