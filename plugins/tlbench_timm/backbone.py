"""The facts of a timm model that transfer needs, read off timm's own configuration of it."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Collection
from fnmatch import fnmatchcase
from functools import partial
from typing import Any, cast

import timm
from timm.models import get_pretrained_cfg, parse_model_name
from torch import nn

from tlbench.contracts import Backbone, Interpolation, Preprocessing, Weights
from tlbench.errors import UserError, WeightsUnavailable
from tlbench_timm.blocks import timm_blocks

INTERPOLATIONS = {"nearest", "bilinear", "bicubic", "lanczos"}


def timm_backbone(name: str) -> Backbone:
    """A backbone of a timm name, with or without the tag of its weights."""
    config = get_pretrained_cfg(name) or get_pretrained_cfg(parse_model_name(name)[1])
    if config is None:
        raise UserError(f"timm has no configuration of {name!r}, so its head and preprocessing aren't known")
    heads = config.classifier
    if not heads:
        raise UserError(f"timm/{name} has no classification head (it is a feature extractor)")
    paths = tuple(heads) if isinstance(heads, tuple | list) else (heads,)
    return Backbone(
        build=partial(build, name, bool(config.fixed_input_size)),
        head=paths if len(paths) > 1 else paths[0],
        blocks=partial(timm_blocks, paths),
        preprocessing=Preprocessing(
            mean=cast(Any, tuple(config.mean)),
            std=cast(Any, tuple(config.std)),
            interpolation=cast(
                Interpolation, config.interpolation if config.interpolation in INTERPOLATIONS else "bicubic"
            ),
            size=int(config.input_size[-1]),
        ),
        weights=_weights(name, config),
        no_decay=no_decay,
        published=partial(published, name, bool(config.fixed_input_size)),
        licence=config.license,
    )


def build(name: str, fixed_size: bool, num_classes: int, *, image_size: int, pretrained: bool) -> nn.Module:
    """timm's own `create_model`, told the image size where the architecture depends on it."""
    size: dict[str, Any] = {"img_size": image_size} if fixed_size else {}
    return timm.create_model(name, pretrained=pretrained, num_classes=num_classes, **size)


def published(name: str, fixed_size: bool, image_size: int) -> nn.Module:
    """timm's model with its published head."""
    size: dict[str, Any] = {"img_size": image_size} if fixed_size else {}
    return timm.create_model(name, pretrained=True, **size)


def no_decay(module: nn.Module) -> Collection[str]:
    """The parameters that timm's optimizers don't decay: those of the model's `no_weight_decay`, names or patterns."""
    patterns: Collection[str] = getattr(module, "no_weight_decay", tuple)()
    names = [name for name, _ in module.named_parameters()]
    return [name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)]


def _weights(name: str, config: Any) -> Weights | None:
    if not config.has_weights:
        return None
    where = f"https://huggingface.co/{config.hf_hub_id}" if config.hf_hub_id else config.url
    tagged = f"{parse_model_name(name)[1].partition('.')[0]}.{config.tag}" if config.tag else name
    return Weights(f"timm/{tagged}", partial(fetch, name, config), where, config.license)


def fetch(name: str, config: Any) -> None:
    """Have timm download the weights, unless they lie in its cache; raises WeightsUnavailable."""
    if not _cached(config):
        _check_network(config)
    try:
        timm.create_model(name, pretrained=True)
    except Exception as error:  # timm, huggingface_hub and urllib each have their own
        first_line = str(error).partition("\n")[0]
        raise WeightsUnavailable(f"{type(error).__name__}: {first_line}") from error


def _cached(config: Any) -> bool:
    from huggingface_hub import try_to_load_from_cache

    files = ("model.safetensors", "pytorch_model.bin")
    return bool(config.hf_hub_id) and any(
        isinstance(try_to_load_from_cache(config.hf_hub_id, file), str) for file in files
    )


def _check_network(config: Any) -> None:
    """Ask once whether the hub answers: the hub's own client would ask ten times and take 45 s to say no."""
    from huggingface_hub import constants

    if not config.hf_hub_id:
        return
    if constants.HF_HUB_OFFLINE:
        raise WeightsUnavailable("HF_HUB_OFFLINE is set and the weights are not in the cache")
    request = urllib.request.Request(constants.ENDPOINT, method="HEAD")
    try:
        urllib.request.urlopen(request, timeout=5).close()
    except urllib.error.HTTPError:
        return  # it answered
    except OSError as error:
        raise WeightsUnavailable(f"{constants.ENDPOINT} does not answer: {error}") from error
