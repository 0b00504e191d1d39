"""The facts of a timm model that transfer needs, read off timm's own configuration of it."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Collection
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Any, cast

import timm
import torch
from timm.models import (
    PretrainedCfg,
    get_pretrained_cfg,
    load_model_config_from_hf,
    parse_model_name,
)
from timm.models._hub import load_model_config_from_path
from torch import nn

from tlbench import UserError, WeightsUnavailable
from tlbench.contracts import Backbone, Interpolation, Preprocessing, Weights
from tlbench.toolkit import BackboneError, content_digest, read_model_sizes
from tlbench_timm.blocks import timm_blocks
from tlbench_timm.imagenet import imagenet_classes

SIZES = Path(__file__).with_name("model_sizes.csv")
HUB_FILES = ("model.safetensors", "pytorch_model.bin")
INTERPOLATIONS = {"nearest", "bilinear", "bicubic", "lanczos"}


def timm_backbone(name: str, pool: str | None = None) -> Backbone:
    """A backbone of a timm name, with or without the tag of its weights, and with another pooling than its own."""
    config = _config(name)
    if config is None:
        raise UserError(f"timm has no configuration of {name!r}, so its head and preprocessing aren't known")
    heads = config.classifier
    if not heads:
        raise UserError(f"timm/{name} has no classification head (it is a feature extractor)")
    paths = tuple(heads) if isinstance(heads, tuple | list) else (heads,)
    own_size = int(config.input_size[-1])
    return Backbone(
        build=partial(build, name, own_size if config.fixed_input_size else None, pool),
        head=paths if len(paths) > 1 else paths[0],
        blocks=partial(timm_blocks, paths),
        preprocessing=Preprocessing(
            mean=cast(Any, tuple(config.mean)),
            std=cast(Any, tuple(config.std)),
            interpolation=cast(
                Interpolation, config.interpolation if config.interpolation in INTERPOLATIONS else "bicubic"
            ),
            size=own_size,
        ),
        weights=_weights(name, config),
        no_decay=no_decay,
        published=partial(published, name, bool(config.fixed_input_size)),
        source_classes=imagenet_classes if config.num_classes == 1000 else None,
        converted=partial(converted, name, bool(config.fixed_input_size), paths),
        licence=config.license,
        any_channels=True,
        size=read_model_sizes(SIZES).get((parse_model_name(name)[1].partition(".")[0], own_size)),
    )


def _config(name: str) -> PretrainedCfg | None:
    """timm's configuration of a name, of a model of the hub, or of one in a folder."""
    source, model = parse_model_name(name)
    if not source:
        return get_pretrained_cfg(name) or get_pretrained_cfg(model)
    try:
        if source == "local-dir":
            config, _, _ = load_model_config_from_path(model)
        else:
            if not _in_hub_cache(model, "config.json"):
                _ask_hub()
            config, _, _ = load_model_config_from_hf(model)
    except Exception as error:  # of the hub's client, or a configuration that is none
        first_line = str(error).partition("\n")[0]
        raise UserError(f"backbone timm/{source}: {model} can't be read: {first_line}") from error
    return PretrainedCfg(**config)


def build(
    name: str,
    own_size: int | None,
    pool: str | None,
    num_classes: int,
    *,
    image_size: int,
    pretrained: bool,
    channels: int = 3,
) -> nn.Module:
    """timm's own `create_model`, told the image size where the architecture depends on it (`own_size` is its own then).

    timm adapts the first convolution of pretrained weights to other channels than RGB. Raises BackboneError where the
    architecture has no such pooling, or takes no images of that size.
    """
    said: dict[str, Any] = {"img_size": image_size} if own_size else {}
    said |= {} if pool is None else {"global_pool": pool}
    said |= {} if channels == 3 else {"in_chans": channels}
    try:
        module = timm.create_model(name, pretrained=pretrained, num_classes=num_classes, **said)
    except (AssertionError, TypeError, ValueError, KeyError) as error:
        if pool is None:
            raise
        raise BackboneError(f"{name} can't be built with pool={pool}: {error or type(error).__name__}") from error
    if own_size and image_size != own_size and (reason := refuses(module, image_size, channels)) is not None:
        raise BackboneError(f"{name} takes images of {own_size} pixels alone, not of {image_size}: {reason}")
    return module


def refuses(module: nn.Module, image_size: int, channels: int) -> str | None:
    """What a model raises for images of a size, if it does: some take `img_size` and keep to their own size.

    It is asked on the meta device, which computes nothing, and only if that raises, for a real image.
    """
    tensors = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    meta = {name: torch.empty_like(tensor, device="meta") for name, tensor in tensors.items()}
    module.eval()
    try:
        with torch.inference_mode():
            try:
                images = torch.empty(1, channels, image_size, image_size, device="meta")
                torch.func.functional_call(module, meta, (images,))
            except Exception:  # also for tensors that are no parameters, and not on that device
                module(torch.zeros(1, channels, image_size, image_size))
    except Exception as error:  # whatever the model raises is its answer
        return str(error).partition("\n")[0] or type(error).__name__
    finally:
        module.train()
    return None


def published(name: str, fixed_size: bool, image_size: int) -> nn.Module:
    """timm's model with its published head."""
    size: dict[str, Any] = {"img_size": image_size} if fixed_size else {}
    return timm.create_model(name, pretrained=True, **size)


def converted(
    name: str, fixed_size: bool, heads: tuple[str, ...], state: dict[str, torch.Tensor], image_size: int
) -> dict[str, torch.Tensor]:
    """The tensors of a file as timm makes them its model's (`pretrained_cfg_overlay`), whose head the file's may be.

    What timm does not take is given back as it is, for the message that says what does not fit.
    """
    size: dict[str, Any] = {"img_size": image_size} if fixed_size else {}
    rows = next((len(state[f"{head}.weight"]) for head in heads if f"{head}.weight" in state), 0)
    overlay = {"state_dict": dict(state), "num_classes": rows, "source": "", "custom_load": False}
    try:
        model = timm.create_model(name, pretrained=True, num_classes=rows, pretrained_cfg_overlay=overlay, **size)
    except (RuntimeError, KeyError, ValueError):
        return state
    return dict(model.state_dict())


def no_decay(module: nn.Module) -> Collection[str]:
    """The parameters that timm's optimizers don't decay: those of the model's `no_weight_decay`, names or patterns."""
    patterns: Collection[str] = getattr(module, "no_weight_decay", tuple)()
    names = [name for name, _ in module.named_parameters()]
    return [name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)]


def _weights(name: str, config: Any) -> Weights | None:
    if not (config.has_weights or config.source):
        return None
    source, model = parse_model_name(name)
    if source == "local-dir":
        return Weights(f"local-dir/{Path(model).name}@{_digest(Path(model))}", partial(fetch, name, config), model)
    where = f"https://huggingface.co/{config.hf_hub_id}" if config.hf_hub_id else config.url
    tagged = f"{parse_model_name(name)[1].partition('.')[0]}.{config.tag}" if config.tag else name
    return Weights(f"timm/{tagged}", partial(fetch, name, config), where, config.license, _places(config))


def fetch(name: str, config: Any) -> None:
    """Have timm download the weights, unless they lie in its cache; raises WeightsUnavailable."""
    if not _cached(config):
        _check_network(config)
    try:
        timm.create_model(name, pretrained=True)
    except Exception as error:  # timm, huggingface_hub and urllib each have their own
        first_line = str(error).partition("\n")[0]
        raise WeightsUnavailable(f"{type(error).__name__}: {first_line}") from error


def _digest(folder: Path) -> str:
    """Of the files of weights in a folder."""
    files = [file for file in folder.iterdir() if file.suffix in (".safetensors", ".bin", ".pth", ".pt")]
    return content_digest(folder, files)[:16]


def _cached(config: Any) -> bool:
    """Whether the weights lie on this machine already."""
    return config.source == "local-dir" or any(_in_hub_cache(config.hf_hub_id, file) for file in HUB_FILES)


def _places(config: Any) -> tuple[str, ...] | None:
    """Where the hub's client, or torch's, keeps the weights."""
    from huggingface_hub import constants
    from huggingface_hub.file_download import repo_folder_name

    if config.hf_hub_id:
        name = repo_folder_name(repo_id=config.hf_hub_id.partition("@")[0], repo_type="model")
        return tuple(str(Path(constants.HF_HUB_CACHE) / name / "snapshots" / "*" / file) for file in HUB_FILES)
    return (str(Path(torch.hub.get_dir()) / "checkpoints" / Path(config.url).name),) if config.url else None


def _in_hub_cache(model: str | None, file: str) -> bool:
    from huggingface_hub import try_to_load_from_cache

    repository, _, revision = (model or "").partition("@")
    return bool(model) and isinstance(try_to_load_from_cache(repository, file, revision=revision or None), str)


def _check_network(config: Any) -> None:
    if config.hf_hub_id:
        _ask_hub()


def _ask_hub() -> None:
    """Ask once whether the hub answers: the hub's own client would ask ten times and take 45 s to say no."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        raise WeightsUnavailable("HF_HUB_OFFLINE is set and the weights are not in the cache")
    request = urllib.request.Request(constants.ENDPOINT, method="HEAD")
    try:
        urllib.request.urlopen(request, timeout=5).close()
    except urllib.error.HTTPError:
        return  # it answered
    except OSError as error:
        raise WeightsUnavailable(f"{constants.ENDPOINT} does not answer: {error}") from error
