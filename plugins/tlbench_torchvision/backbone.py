"""The facts of a torchvision model that transfer needs: its head, its preprocessing, its default weights."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from typing import Any, cast

import torch
from torch import nn
from torchvision.models import get_model, get_model_weights
from torchvision.models.vision_transformer import interpolate_embeddings
from torchvision.transforms import InterpolationMode

from tlbench.contracts import Backbone, Interpolation, Preprocessing, Weights
from tlbench.errors import UserError, WeightsUnavailable, nearest
from tlbench_torchvision.blocks import torchvision_blocks

HEADS = {
    "alexnet": "classifier.6",
    "vgg": "classifier.6",
    "mobilenet_v3": "classifier.3",
    "mobilenet_v2": "classifier.1",
    "mnasnet": "classifier.1",
    "efficientnet": "classifier.1",
    "squeezenet": "classifier.1",
    "convnext": "classifier.2",
    "maxvit": "classifier.5",
    "densenet": "classifier",
    "vit": "heads.head",
    "swin": "head",
}
"""The head's place by the architecture's first letters; everywhere else it is `fc`."""

NO_DECAY = {"class_token", "pos_embedding", "relative_position_bias_table", "layer_scale"}
"""What torchvision's recipes and the architectures' papers don't decay, of ViT, Swin, MaxViT and ConvNeXt."""

INTERPOLATIONS: dict[InterpolationMode, Interpolation] = {
    InterpolationMode.NEAREST: "nearest",
    InterpolationMode.BILINEAR: "bilinear",
    InterpolationMode.BICUBIC: "bicubic",
    InterpolationMode.LANCZOS: "lanczos",
}


def torchvision_backbone(name: str, tag: str = "DEFAULT") -> Backbone:
    """A backbone of a torchvision architecture with the weights of a tag; raises UserError where there are none."""
    weights = tagged(name, tag)
    transform = weights.transforms()
    licence = weights.meta.get("license", "BSD-3-Clause")
    head = next((head for prefix, head in HEADS.items() if name.startswith(prefix)), "fc")
    return Backbone(
        build=partial(build, name, weights, head),
        head=head,
        blocks=partial(torchvision_blocks, head),
        preprocessing=Preprocessing(
            tuple(transform.mean),
            tuple(transform.std),
            INTERPOLATIONS[transform.interpolation],
            size=int(transform.crop_size[0]),
        ),
        published=partial(published, name, weights),
        no_decay=no_decay,
        weights=Weights(f"torchvision/{name}.{weights.name}", partial(fetch, weights), weights.url, licence),
        licence="BSD-3-Clause",
    )


def tagged(name: str, tag: str) -> Any:
    """torchvision's weights of an architecture and a tag ("IMAGENET1K_V1")."""
    known = get_model_weights(name)
    if tag not in known.__members__:
        names = [*known.__members__, "DEFAULT"]
        raise UserError(f"torchvision/{name} has no weights {tag!r}{nearest(tag, names)}; it has {', '.join(names)}")
    return known[tag]


def build(name: str, weights: Any, head: str, num_classes: int, *, image_size: int, pretrained: bool) -> nn.Module:
    """torchvision's own builder; pretrained tensors go everywhere but into the head."""
    model = cast(nn.Module, get_model(name, weights=None, num_classes=num_classes, **_arguments(name, image_size)))
    if pretrained:
        _load_body(model, _adapt(name, fetch(weights), model, image_size), f"{head}.")
    return model


def published(name: str, weights: Any, image_size: int) -> nn.Module:
    """torchvision's model with its published head."""
    model = cast(nn.Module, get_model(name, weights=None, **_arguments(name, image_size)))
    model.load_state_dict(_adapt(name, fetch(weights), model, image_size))
    return model


def no_decay(module: nn.Module) -> Collection[str]:
    """The parameters that are embeddings or factors of a block's output."""
    return [name for name, _ in module.named_parameters() if name.rpartition(".")[2] in NO_DECAY]


def _arguments(name: str, image_size: int) -> dict[str, Any]:
    """What some architectures must be told: their image size, or to leave out auxiliary classifiers."""
    if name.startswith("vit"):
        return {"image_size": image_size}
    if name.startswith("maxvit"):
        return {"input_size": (image_size, image_size)}
    if name in ("googlenet", "inception_v3"):
        return {"aux_logits": False, "transform_input": True, "init_weights": True}
    return {}


def _adapt(name: str, state: dict[str, torch.Tensor], model: nn.Module, image_size: int) -> dict[str, torch.Tensor]:
    if name.startswith("vit"):
        patch_size = cast(int, model.patch_size)
        return dict(interpolate_embeddings(image_size, patch_size, state))
    if name in ("googlenet", "inception_v3"):
        return {key: value for key, value in state.items() if not key.lower().startswith("aux")}
    return state


def _load_body(model: nn.Module, state: dict[str, torch.Tensor], head: str) -> None:
    body = {key: value for key, value in state.items() if not key.startswith(head)}
    missing, unexpected = model.load_state_dict(body, strict=False)
    wrong = [key for key in missing if not key.startswith(head)] + list(unexpected)
    if wrong:
        raise RuntimeError(f"the weights don't fit the model: {', '.join(wrong[:5])}")


def fetch(weights: Any) -> dict[str, torch.Tensor]:
    """torchvision's own download, with its progress bar and hash check, or the file where it lies already."""
    try:
        return dict(weights.get_state_dict(progress=True, check_hash=True))
    except (OSError, RuntimeError) as error:
        raise WeightsUnavailable(f"{weights.url}: {error}") from error
