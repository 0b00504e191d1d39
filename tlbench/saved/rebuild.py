"""A trained model built again from its document: its backbone, what its strategy did to it, its tensors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import nn

from tlbench.contracts.backbone import Backbone
from tlbench.contracts.channels import with_channels
from tlbench.contracts.model import TransferModel
from tlbench.contracts.strategy import Strategy
from tlbench.contracts.task import Task
from tlbench.engine.weights import load_body
from tlbench.errors import UserError
from tlbench.registry.components import Component
from tlbench.registry.kinds import Kind, Registry
from tlbench.saved.document import TENSORS, SavedComponent, SavedDocument

Shapes = Mapping[str, tuple[int, ...]]


def resolved(kind: Kind[Any], saved: SavedComponent) -> Component[Any]:
    """A component with the options that it had; raises UserError where its plugin is missing."""
    entry = kind.find(saved.name)
    return Component(entry, entry.options.model_validate(saved.options))


def backbone_of(document: SavedDocument, registry: Registry) -> Backbone:
    """The model's backbone, for images of its channels."""
    own: Backbone = resolved(registry.backbones, document.backbone).load()
    return with_channels(own, len(document.preprocessing.mean))


def structure(
    document: SavedDocument, registry: Registry, shapes: Shapes, outputs: int, image_size: int
) -> TransferModel:
    """The model's structure with numbers of no meaning: the backbone as its strategy left it, its head as the file has.

    `shapes` are those of the file's tensors.
    """
    backbone = backbone_of(document, registry)
    component = resolved(registry.strategies, document.strategy)
    strategy: Strategy = component.load()
    with torch.random.fork_rng(devices=[]):
        module = backbone.build(outputs, image_size=image_size, pretrained=False)
        model = TransferModel(module, backbone)
        if strategy.rebuild is not None:
            strategy.rebuild(model, component.options, shapes)
        fit_head(model, shapes)
    return model


def fit_head(model: TransferModel, shapes: Shapes) -> None:
    """Give a linear head the bias that the file has, or take it away: closed forms put heads of their own in place."""
    head, path = model.linear_head, model.head_paths[0]
    has_bias = f"{path}.bias" in shapes
    if head is not None and len(shapes.get(f"{path}.weight", ())) == 2 and has_bias == (head.bias is None):
        new = nn.Linear(head.in_features, head.out_features, bias=has_bias, device=head.weight.device)
        model.replace_head(new)


def task_of(document: SavedDocument, registry: Registry) -> Task:
    """What the model's outputs mean."""
    task: Task = resolved(registry.tasks, document.task).load()
    return task


def shapes_of(folder: Path) -> dict[str, tuple[int, ...]]:
    """The shapes of the saved tensors; raises UserError where the file can't be read."""
    try:
        with safe_open(folder / TENSORS, framework="pt") as opened:
            return {name: tuple(opened.get_slice(name).get_shape()) for name in opened.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise UserError(f"{folder / TENSORS} can't be read: {error}") from error


def rebuilt(folder: Path, document: SavedDocument, registry: Registry) -> TransferModel:
    """The trained model, in eval mode; raises UserError where the tensors don't fit what was rebuilt."""
    outputs = task_of(document, registry).outputs(document.names)
    image_size = document.preprocessing.image_size
    model = structure(document, registry, shapes_of(folder), outputs, image_size)
    load_body(model.module, load_file(folder / TENSORS), (), str(folder / TENSORS))
    model.classes = document.names
    model.module.requires_grad_(False).eval()
    return model


def refusal(document: SavedDocument, registry: Registry, tensors: Mapping[str, torch.Tensor]) -> str | None:
    """Why a model can't be rebuilt, if so: its tensors are not those of what its document says."""
    shapes = {name: tuple(each.shape) for name, each in tensors.items()}
    outputs = task_of(document, registry).outputs(document.names)
    model = structure(document, registry, shapes, outputs, document.preprocessing.image_size)
    own = {name: tuple(each.shape) for name, each in model.module.state_dict().items()}
    differ = [name for name in sorted(own.keys() | shapes.keys()) if own.get(name) != shapes.get(name)]
    if not differ:
        return None
    return (
        f"strategy {document.strategy.name} changes the model's structure, and states no `rebuild` that makes "
        f"{', '.join(differ[:3])}{' and more' if len(differ) > 3 else ''}"
    )
