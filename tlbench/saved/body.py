"""The body of a saved model, to go on from."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn

from tlbench.contracts.backbone import Backbone, Block, Preprocessing
from tlbench.contracts.model import TransferModel
from tlbench.engine.checkpoint import State
from tlbench.engine.weights import conversion, load_body
from tlbench.registry.kinds import Registry
from tlbench.registry.plugins import load_plugins
from tlbench.saved.document import TENSORS, SavedDocument, read_document
from tlbench.saved.rebuild import backbone_of, shapes_of, structure, task_of


@dataclass(frozen=True)
class SavedBody:
    """A saved model, to be built with another head and in another image size."""

    folder: Path
    document: SavedDocument
    registry: Registry
    shapes: dict[str, tuple[int, ...]]

    @cached_property
    def model(self) -> TransferModel:
        """Its structure without numbers, which says where head and blocks are."""
        with torch.device("meta"):
            return self._structure(2, self.document.preprocessing.image_size)

    @property
    def head_paths(self) -> tuple[str, ...]:
        """The head's modules by path."""
        return self.model.head_paths

    @property
    def blocks(self) -> list[Block]:
        """The body's blocks."""
        return self.model.layout

    @property
    def preprocessing(self) -> Preprocessing:
        """How the model's images become its input."""
        own = self.document.preprocessing
        return Preprocessing(mean=own.mean, std=own.std, interpolation=own.interpolation, size=own.image_size)

    @cached_property
    def digest(self) -> str:
        """16 hex digits of the tensors' file."""
        with (self.folder / TENSORS).open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()[:16]

    def no_decay(self, module: nn.Module) -> Collection[str]:
        """The tensors that the backbone had weight decay leave alone."""
        return self.model.no_decay.tensors

    def build(self, outputs: int, image_size: int, *, with_tensors: bool) -> nn.Module:
        """The module with a new head; raises UserError where the tensors don't fit."""
        model = self._structure(outputs, image_size)
        if with_tensors:
            state = load_file(self.folder / TENSORS)
            body = {name: each for name, each in state.items() if not model.head.holds(name)}
            self._load(model, body, image_size, self.head_paths)
        return model.module

    def whole(self, image_size: int) -> nn.Module:
        """The module as it was trained, with its own head; raises UserError where the tensors don't fit."""
        outputs = task_of(self.document, self.registry).outputs(self.document.names)
        model = structure(self.document, self.registry, self.shapes, outputs, image_size)
        self._load(model, load_file(self.folder / TENSORS), image_size, ())
        return model.module

    def _load(self, model: TransferModel, state: State, image_size: int, but: tuple[str, ...]) -> None:
        """Copy tensors into a model, all of them but the head's at some paths."""
        convert = None if model.inner else conversion(self.backbone, image_size)
        load_body(model.module, state if convert is None else convert(state), but, str(self.folder / TENSORS))

    def _structure(self, outputs: int, image_size: int) -> TransferModel:
        """What the strategy left; where that is a head of another kind, the backbone's own is put back."""
        head = self.backbone.head_paths
        model = structure(self.document, self.registry, self.shapes, outputs, image_size)
        if len(head) == 1 and not model.inner and model.linear_head is None:
            fresh = self.backbone.build(outputs, image_size=image_size, pretrained=False)
            model.replace_head(fresh.get_submodule(head[0]))
        return model

    @cached_property
    def backbone(self) -> Backbone:
        """The backbone that the model was made of."""
        return backbone_of(self.document, self.registry)


def open_body(folder: Path) -> SavedBody:
    """Read a saved model's document; raises UserError where there is none."""
    return SavedBody(folder, read_document(folder), Registry.of(load_plugins()), shapes_of(folder))
