"""The facts of a torchvision model that transfer needs: its head, its preprocessing, its default weights."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Collection
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn
from torchvision.models import Inception3, get_model, get_model_weights
from torchvision.models.vision_transformer import interpolate_embeddings
from torchvision.transforms import InterpolationMode

from tlbench import UserError, WeightsUnavailable
from tlbench.contracts import Backbone, Interpolation, Preprocessing, Weights
from tlbench.toolkit import nearest, read_model_sizes
from tlbench_torchvision.blocks import torchvision_blocks

SIZES = Path(__file__).with_name("model_sizes.csv")
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
        source_classes=partial(source_classes, weights),
        converted=partial(converted, name),
        no_decay=no_decay,
        weights=Weights(
            f"torchvision/{name}.{weights.name}",
            partial(fetch, weights),
            weights.url,
            licence,
            (str(Path(torch.hub.get_dir()) / "checkpoints" / Path(weights.url).name),),
            stated_accuracy(weights),
        ),
        licence="BSD-3-Clause",
        size=read_model_sizes(SIZES).get((name, int(transform.crop_size[0]))),
    )


def stated_accuracy(weights: Any) -> float | None:
    """The top-1 accuracy on ImageNet-1k that torchvision states of its weights."""
    of_imagenet = weights.meta["_metrics"].get("ImageNet-1K")
    return None if of_imagenet is None else of_imagenet["acc@1"] / 100


def tagged(name: str, tag: str) -> Any:
    """torchvision's weights of an architecture and a tag ("IMAGENET1K_V1")."""
    known = get_model_weights(name)
    if tag not in known.__members__:
        names = [*known.__members__, "DEFAULT"]
        raise UserError(f"torchvision/{name} has no weights {tag!r}{nearest(tag, names)}; it has {', '.join(names)}")
    return known[tag]


def build(name: str, weights: Any, head: str, num_classes: int, *, image_size: int, pretrained: bool) -> nn.Module:
    """torchvision's own builder, which loads what it has published; then with a head of so many classes."""
    if not pretrained:
        return cast(nn.Module, get_model(name, weights=None, num_classes=num_classes, **_arguments(name, image_size)))
    model = published(name, weights, image_size)
    old = model.get_submodule(head)
    if isinstance(old, nn.Conv2d):
        model.set_submodule(head, nn.Conv2d(old.in_channels, num_classes, kernel_size=1))
    else:
        model.set_submodule(head, nn.Linear(cast(int, old.in_features), num_classes))
    return model


def published(name: str, weights: Any, image_size: int) -> nn.Module:
    """torchvision's model with its published head, loaded by torchvision; auxiliary classifiers are left out."""
    if name.startswith("vit"):  # of one image size alone
        model = cast(nn.Module, get_model(name, weights=None, **_arguments(name, image_size)))
        model.load_state_dict(converted(name, fetch(weights), image_size))
        return model
    size = _arguments(name, image_size) if name.startswith("maxvit") else {}
    model = cast(nn.Module, get_model(name, weights=weights, **size))
    if isinstance(model, Inception3):
        model.aux_logits, model.AuxLogits = False, None
    return model


def converted(name: str, state: dict[str, torch.Tensor], image_size: int) -> dict[str, torch.Tensor]:
    """The tensors of a file as those of the model of an image size."""
    if name.startswith("vit"):
        patch_size = int(name.rpartition("_")[2])
        return dict(interpolate_embeddings(image_size, patch_size, OrderedDict(state)))
    if name in ("googlenet", "inception_v3"):
        return {key: value for key, value in state.items() if not key.lower().startswith("aux")}
    if name.startswith("densenet"):  # norm.1 was allowed once, and is so in the published files
        return {
            re.sub(r"(denselayer\d+\.(?:norm|relu|conv))\.(?=[12]\.)", r"\1", key): each for key, each in state.items()
        }
    return state


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


def fetch(weights: Any) -> dict[str, torch.Tensor]:
    """torchvision's own download, with its progress bar and hash check, or the file where it lies already."""
    try:
        return dict(weights.get_state_dict(progress=True, check_hash=True))
    except (OSError, RuntimeError) as error:
        raise WeightsUnavailable(f"{weights.url}: {error}") from error


def source_classes(weights: Any) -> list[tuple[str, ...]]:
    """Of each output of the published head, the WordNet identifier and torchvision's own name."""
    from timm.data.imagenet_info import ImageNetInfo

    info: Any = ImageNetInfo()
    return list(zip(info.label_names(), weights.meta["categories"], strict=True))
