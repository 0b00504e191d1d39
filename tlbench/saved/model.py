"""A saved model in use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import torch
from torch import nn

from tlbench.contracts.task import Objective, Task
from tlbench.data.image_files import open_image
from tlbench.engine.precision import FORMATS, autocast
from tlbench.errors import UserError
from tlbench.registry.kinds import Registry
from tlbench.registry.plugins import load_plugins
from tlbench.saved.document import SavedDocument, find_model, read_document
from tlbench.saved.rebuild import rebuilt, task_of
from tlbench.saved.transform import transform

Image = str | Path | PIL.Image.Image | np.ndarray
BATCH = 32


@dataclass(frozen=True)
class Predicted:
    """What a model says of N images: N×names `values` (probabilities, or targets in their unit) and an answer each."""

    names: tuple[str, ...]
    values: torch.Tensor
    answers: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.answers)

    def to_dicts(self) -> list[dict[str, Any]]:
        """By image, the answer and the value of each name."""
        rows = self.values.tolist()
        return [
            {"answer": answer, "values": dict(zip(self.names, row, strict=True))}
            for answer, row in zip(self.answers, rows, strict=True)
        ]


@dataclass(frozen=True)
class SavedModel:
    """A trained model: its module in eval mode, its preprocessing, and the names of its classes, labels or targets.

    `preprocess` is a torchvision transform of one PIL image or array.
    """

    module: nn.Module
    preprocess: Any
    classes: tuple[str, ...]
    document: SavedDocument
    task: Task
    objective: Objective
    device: torch.device

    @torch.inference_mode()
    def predict(self, images: Image | Sequence[Image]) -> Predicted:
        """Predict one image or several: files, PIL images, or arrays H×W×C.

        Raises UserError that names an image which can't be decoded.
        """
        several: Sequence[Image] = images if isinstance(images, list | tuple) else [images]  # type: ignore[list-item]
        parts = []
        for begin in range(0, len(several), BATCH):
            batch = torch.stack([self._ready(each) for each in several[begin : begin + BATCH]]).to(self.device)
            batch = batch.contiguous(memory_format=FORMATS[self.document.memory_format])
            with autocast(self.device, self.document.precision):
                outputs = self.module(batch).float()
            parts.append(self.objective.predicted(outputs).cpu())
        values = torch.cat(parts) if parts else torch.empty(0, len(self.classes))
        answers = tuple(self.task.answer(self.classes, row) for row in values.tolist())
        return Predicted(self.classes, values, answers)

    def _ready(self, image: Image) -> torch.Tensor:
        if not isinstance(image, str | Path):
            ready: torch.Tensor = self.preprocess(image)
            return ready
        try:
            ready = self.preprocess(open_image(Path(image)))
        except Exception as error:  # a decoder may raise anything on a broken file
            raise UserError(f"{image} can't be decoded: {error}") from error
        return ready


def load_model(model: str | Path, results: str | Path = "results", device: str = "cpu") -> SavedModel:
    """Load a saved model: `RUN/TRIAL_ID`, or the folder of one. Nothing is unpickled.

    Raises UserError where there is none, where its plugins are missing, or its tensors don't fit.
    """
    folder = find_model(str(model), Path(results))
    registry = Registry.of(load_plugins())
    document = read_document(folder)
    on = torch.device(device)
    module = rebuilt(folder, document, registry).module
    module.to(on, memory_format=FORMATS[document.memory_format])  # type: ignore[call-overload]
    task = task_of(document, registry)
    objective = task.objective(document.names, document.statistics)
    return SavedModel(module, transform(document.preprocessing), document.names, document, task, objective, on)
