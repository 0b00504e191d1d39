"""What a request leaves open, filled in by the machine, the weights and the dataset."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from tlbench.contracts.dataset import Dataset
from tlbench.plan.cell import Protocol
from tlbench.plan.request import Request

CPU_EPOCHS, CPU_TRAIN_SIZE, CPU_TEST_SIZE = 5, 2000, 1000
GPU_EPOCHS = 10
CPU_LEAST_SIZE = 96


def protocol_for(
    request: Request, dataset: Dataset, device: str, trained_at: Sequence[int], model: type[Protocol] = Protocol
) -> Protocol:
    """The request's protocol, its gaps filled: small where there is no GPU.

    `trained_at` has the image sizes that the backbones' published weights were trained at. What request and protocol
    both have is taken over as it is.
    """
    on_cpu = device == "cpu"
    filled = {
        "epochs": request.epochs or (CPU_EPOCHS if on_cpu else GPU_EPOCHS),
        "image_size": request.image_size or default_image_size(dataset.native_size, trained_at, on_cpu),
        "train_size": _at_most(request.train_size, CPU_TRAIN_SIZE if on_cpu else None),
        "test_size": _at_most(request.test_size, CPU_TEST_SIZE if on_cpu else None),
        "precision": "fp32" if request.precision == "auto" else request.precision,
        "auto_precision": request.precision == "auto",
        "memory_format": "channels_last" if request.memory_format == "auto" else request.memory_format,
        "asked_memory_format": None if request.memory_format == "auto" else request.memory_format,
        "select": "best" if request.patience else request.select,
    }
    return model.model_validate(request.model_dump(include=set(model.model_fields)) | filled)


def _at_most(asked: int | Literal["all"] | None, default: int | None) -> int | None:
    """A cap on the number of images; None is no cap."""
    return None if asked == "all" else asked or default


def default_image_size(native_size: int, trained_at: Sequence[int], on_cpu: bool) -> int:
    """The side in pixels that a dataset's images get where none is asked for.

    Features of pretrained weights are worth most near the size that the weights were trained at: on a GPU it is that
    (the smallest of several backbones'). On a CPU, where a step's time goes with the square, it is the dataset's own
    size in whole multiples of 32, but at least 96 pixels, and no more than the trained size. Without published weights
    the dataset's own size counts.
    """
    own = max(32, min(224, -(-native_size // 32) * 32))
    if not trained_at:
        return own
    return min(max(own, CPU_LEAST_SIZE), *trained_at) if on_cpu else min(trained_at)
