"""What the checks of backbones share: models built small enough, inputs, and what a forward pass says."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from tlbench.contracts.backbone import Backbone
from tlbench.contracts.model import TransferModel
from tlbench.errors import BackboneError
from tlbench.registry.facts import presence
from tlbench.testing.kit.checks import Failed, NotApplicable
from tlbench.testing.kit.subject import Subject

SMALL = (32, 64, 96, 112, 128)
"""Image sizes that are tried before the backbone's own, which may take long."""
IMAGES = 4
FEW, MANY = 2, 10
"""Numbers of classes."""
NAMED = 3
"""Tensors that a sentence names."""
BUILT, TRAINED, STEADY = "is built for 2 and for 10 classes", "is trained as a whole", "is the same twice in eval mode"
"""Checks that others need."""
EQUAL = 1e-4
"""How far outputs may be apart, relative to the largest, that are computed in another order."""


@dataclass(frozen=True)
class Size:
    """An image size that a backbone takes, and why it does not take smaller ones, if so."""

    side: int
    refused: str | None = None


def size_of(subject: Subject) -> Size:
    """The smallest size tried that the backbone takes, at most its own; raises Failed where it takes not even that."""
    backbone: Backbone = subject.made()
    own = backbone.preprocessing.size
    refused = None
    for side in (*(each for each in SMALL if each < own), own):
        try:
            model = built(backbone, 2, side).eval()
            with torch.no_grad():
                model(images_for(backbone, side, 2))
        except Exception as error:  # of a provider's model: larger images may do
            refused = f"{type(error).__name__}: {error}".partition("\n")[0]
        else:
            return Size(side, refused)
    raise Failed(f"its model can't be built and run for 2 classes and its own {own}-pixel images: {refused}")


def taken_size(subject: Subject) -> int:
    """The size that checks are made with; raises NotApplicable where the backbone takes none."""
    try:
        return subject.once(size_of).side
    except Failed as error:
        raise NotApplicable("its model can't be built and run") from error


def built(backbone: Backbone, classes: int, side: int, seed: int = 0, pretrained: bool = False) -> nn.Module:
    """A model of a seed; the state of chance stays as it is."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return backbone.build(classes, image_size=side, pretrained=pretrained)


def model_of(subject: Subject, classes: int = 2, seed: int = 0) -> TransferModel:
    """A random model as strategies see it; raises NotApplicable where its head or blocks are stated wrongly."""
    backbone: Backbone = subject.made()
    module = built(backbone, classes, taken_size(subject), seed)
    try:
        return TransferModel(module, backbone)
    except BackboneError as error:
        raise NotApplicable("its head or its blocks are stated wrongly") from error


def images_for(backbone: Backbone, side: int, number: int = IMAGES, seed: int = 1) -> torch.Tensor:
    """Normalised noise, N×C×S×S."""
    drawn = torch.Generator().manual_seed(seed)
    return torch.randn(number, len(backbone.preprocessing.mean), side, side, generator=drawn)


def outputs_of(module: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """What a module says of images in eval mode."""
    module.eval()
    with torch.no_grad():
        outputs: torch.Tensor = module(images)
    return outputs


def apart(one: torch.Tensor, other: torch.Tensor) -> float:
    """The largest difference of two tensors, relative to the largest number in them."""
    scale = max(float(one.abs().max()), float(other.abs().max()), 1e-12)
    return float((one - other).abs().max()) / scale


def weights_here(subject: Subject) -> None:
    """Raise NotApplicable where no published weights are known to lie on this machine: nothing is downloaded."""
    backbone: Backbone = subject.made()
    if backbone.weights is None:
        raise NotApplicable("it states no published weights")
    found = presence(backbone.weights.places)
    if found == "unknown":
        raise NotApplicable("it does not state where its weights lie (Weights.places), and nothing is downloaded here")
    if found != "present":
        raise NotApplicable("its weights do not lie on this machine, and nothing is downloaded here")


def pretrained(subject: Subject, classes: int, seed: int) -> nn.Module:
    """A model with the published weights, which lie on this machine."""
    backbone: Backbone = subject.made()
    return built(backbone, classes, taken_size(subject), seed, pretrained=True)


def by(tensor: torch.Tensor) -> str:
    """A shape as `4×10`."""
    return "×".join(map(str, tensor.shape)) or "one number"
