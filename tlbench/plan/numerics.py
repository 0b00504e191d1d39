"""What `--precision auto` chooses for a backbone: measured once for a machine, then kept in the cache."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from tlbench.cache import Remembered
from tlbench.plan.cell import Protocol, WeightsPlan
from tlbench.plan.choices import MEMORY_FORMATS
from tlbench.results.records import NumericsCandidate

if TYPE_CHECKING:
    import torch

    from tlbench.contracts.backbone import Backbone
    from tlbench.contracts.dataset import Dataset
    from tlbench.contracts.task import Task
    from tlbench.data.prepared import PreparedDataset

CANDIDATES = TypeAdapter(list[NumericsCandidate])


def measured(
    ref: str,
    backbone: Backbone,
    protocol: Protocol,
    weights: WeightsPlan | None,
    data: PreparedDataset,
    source: Callable[[], Dataset],
    task: Task,
    device: torch.device,
    threads: int,
    announce: Callable[[], object],
) -> list[NumericsCandidate]:
    """A few training steps in each number format and memory format, on the first images of train.

    Of memory formats, the one that was asked for is tried, or all. Kept by backbone, task, weights, that memory format,
    image and batch size, device, threads and torch's release; `announce` is called where they are not yet.
    """
    import torch

    from tlbench.contracts.model import TransferModel
    from tlbench.data.batches import open_split
    from tlbench.engine.feed import first_batch
    from tlbench.engine.numerics import measure

    pretrained = weights is not None and weights.kind == "pretrained"
    known = Remembered("numerics", _key(ref, data.task, protocol, pretrained, device, threads), CANDIDATES)
    if (found := known.read()) is not None:
        return found
    announce()
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        torch.manual_seed(0)
        module = backbone.build(task.outputs(data.classes), image_size=protocol.image_size, pretrained=pretrained)
        TransferModel(module, backbone).reset_head()
        images = open_split(data, "train", preprocessing=backbone.preprocessing, device=device, source=source)
        asked = protocol.asked_memory_format
        formats = MEMORY_FORMATS if asked is None else (asked,)
        statistics = task.statistics(data.classes, images.labels.numpy())
        loss = task.objective(data.classes, statistics).loss
        found = measure(module, first_batch(images, protocol.batch_size), loss, formats)
    finally:
        torch.set_num_threads(before)
    known.keep(found)
    return found


def _key(ref: str, task: str, protocol: Protocol, pretrained: bool, device: torch.device, threads: int) -> list[object]:
    import torch

    from tlbench.measure.environment import device_name

    tf32 = (torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32)
    what: list[object] = [
        ref,
        task,
        pretrained,
        protocol.image_size,
        protocol.batch_size,
        device.type,
        device_name(device),
        threads,
        tf32,
    ]
    if protocol.asked_memory_format is not None:
        what.append(protocol.asked_memory_format)
    return [*what, torch.__version__]
