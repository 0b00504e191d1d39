"""A backbone made of a module, or of a function that builds one."""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, cast

import torch
from torch import nn

from tlbench.contracts.backbone import Backbone, Interpolation, Preprocessing, Weights
from tlbench.errors import UserError

PRETRAINED = ("pretrained", "weights")
"""Arguments by which factories of timm and torchvision are asked for published weights."""
WIDTHS = 5, 7
"""Numbers of outputs that tell which modules are the head: those whose tensors differ."""


def backbone_of(given: object) -> Backbone:
    """A backbone of a `Backbone`, of a module, or of a factory: `factory(num_classes=…)` or `factory(number)`.

    The head is what differs between two numbers of classes; of a module it is its last linear layer, in whose place
    come new ones. Mean, standard deviation and size are those of timm's configuration where the module has one, else
    ImageNet's. A module's tensors, and those of a factory that has `pretrained=` or `weights=` bound by
    `functools.partial`, are pretrained weights; all others are random. Raises UserError where no head is found.
    """
    if isinstance(given, Backbone):
        return given
    if isinstance(given, nn.Module):
        return _of_module(given)
    if not callable(given):
        raise UserError(
            f"a {type(given).__name__} is no backbone; give a tlbench.Backbone, a module, or a function that builds one"
        )
    return _of_factory(given)


def _of_factory(factory: Callable[..., Any]) -> Backbone:
    call = _caller(factory)
    if isinstance(call, Backbone):
        return call
    bound = _bound(factory)
    random = dict.fromkeys((name for name in PRETRAINED if bound.get(name)), None) | (
        {"pretrained": False} if bound.get("pretrained") else {}
    )

    def build(num_classes: int, *, image_size: int, pretrained: bool) -> nn.Module:
        made = call(num_classes, {} if pretrained else random)
        if not isinstance(made, nn.Module):
            raise UserError(f"{_name(factory)} gave a {type(made).__name__}; a factory builds an nn.Module")
        return made

    narrow, wide = (_light(functools.partial(build, width, image_size=224, pretrained=False)) for width in WIDTHS)
    return Backbone(
        build,
        head=_what_differs(narrow, wide, _name(factory)),
        preprocessing=_preprocessing(narrow),
        weights=Weights(f"of {_name(factory)}", lambda: call(WIDTHS[0], {})) if random else None,
    )


def _caller(factory: Callable[..., Any]) -> Backbone | Callable[[int, Mapping[str, Any]], Any]:
    """How a factory is given the number of classes; or the backbone that one without arguments makes."""
    try:
        parameters = inspect.signature(factory).parameters
    except ValueError:  # of a built-in
        return lambda number, more: factory(number, **more)
    kinds = {each.kind for each in parameters.values()}
    if "num_classes" in parameters or inspect.Parameter.VAR_KEYWORD in kinds:
        return lambda number, more: factory(num_classes=number, **more)
    needed = [
        each
        for each in parameters.values()
        if each.default is each.empty and each.kind is not inspect.Parameter.VAR_POSITIONAL
    ]
    if len(needed) == 1:
        return lambda number, more: factory(number, **more)
    if not needed and isinstance(made := factory(), Backbone):
        return made
    raise UserError(
        f"{_name(factory)} can't build a backbone: it must take the number of classes, as num_classes or as its one "
        f"argument (it needs {', '.join(each.name for each in needed) or 'none'})"
    )


def _bound(factory: object) -> Mapping[str, Any]:
    return factory.keywords if isinstance(factory, functools.partial) else {}


def _light(build: Callable[[], nn.Module]) -> nn.Module:
    """A module without numbers; with them where it can't be built so."""
    try:
        with torch.device("meta"):
            return build()
    except UserError:
        raise
    except Exception:  # its constructor looks at numbers
        return build()


def _what_differs(narrow: nn.Module, wide: nn.Module, name: str) -> str | tuple[str, ...]:
    shapes = {path: tensor.shape for path, tensor in wide.named_parameters()}
    paths = dict.fromkeys(
        path.rpartition(".")[0] for path, tensor in narrow.named_parameters() if shapes.get(path) != tensor.shape
    )
    heads = tuple(path for path in paths if path)
    if not heads:
        raise UserError(
            f"{name} builds the same module for {WIDTHS[0]} and {WIDTHS[1]} classes, so that its head is not known; "
            f"give a tlbench.Backbone, which names it"
        )
    return heads[0] if len(heads) == 1 else heads


def _of_module(module: nn.Module) -> Backbone:
    layers = [(path, each) for path, each in module.named_modules() if type(each) is nn.Linear]
    if not layers or not layers[-1][0]:
        raise UserError(
            f"the module {type(module).__name__} has no linear layer that could be its head; give a tlbench.Backbone"
        )
    head, old = layers[-1]

    def build(num_classes: int, *, image_size: int, pretrained: bool) -> nn.Module:
        made = copy.deepcopy(module)
        if not pretrained:
            made.apply(_reset)
        place = made.get_submodule(head.rpartition(".")[0])
        setattr(place, head.rpartition(".")[2], nn.Linear(old.in_features, num_classes, old.bias is not None))
        return made

    return Backbone(
        build,
        head=head,
        preprocessing=_preprocessing(module),
        weights=Weights(f"of the module {type(module).__name__}", lambda: None),
        published=lambda _image_size: copy.deepcopy(module),
    )


def _reset(module: nn.Module) -> None:
    """New numbers for the tensors of one module, by its own way to begin."""
    reset = getattr(module, "reset_parameters", None)
    if callable(reset):
        reset()
    elif next(module.parameters(recurse=False), None) is not None:
        raise UserError(f"a {type(module).__name__} has no reset_parameters(); give a function that builds the module")


def _preprocessing(module: nn.Module) -> Preprocessing:
    """What timm's configuration of the module says; ImageNet's usual where it has none."""
    config = getattr(module, "pretrained_cfg", None) or getattr(module, "default_cfg", None)
    if not isinstance(config, Mapping) or not {"mean", "std", "input_size"} <= config.keys():
        return Preprocessing()
    usual = Preprocessing()
    interpolation = config.get("interpolation")
    known = interpolation in ("nearest", "bilinear", "bicubic", "lanczos")
    return Preprocessing(
        mean=tuple(config["mean"]),
        std=tuple(config["std"]),
        interpolation=cast(Interpolation, interpolation) if known else usual.interpolation,
        size=int(config["input_size"][-1]),
    )


def _name(factory: object) -> str:
    named = factory.func if isinstance(factory, functools.partial) else factory
    return str(getattr(named, "__name__", type(named).__name__))
