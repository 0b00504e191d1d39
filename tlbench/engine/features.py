"""Activations at a cut, computed once for each image and kept; then a step reads them instead of computing them."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from tlbench.cache import LIMIT_VARIABLE, Kept, StageCache, cache_limit_bytes, spelled_bytes
from tlbench.contracts.backbone import Preprocessing
from tlbench.contracts.batch import Batch
from tlbench.contracts.model import TransferModel
from tlbench.contracts.phases import Train
from tlbench.data.arrays import new_array
from tlbench.data.batches import Images
from tlbench.data.resident import open_array, placed, resident, stays_in_memory, take
from tlbench.engine.cut import Cut, NotCuttable, cut
from tlbench.engine.evaluate import evaluation_batch
from tlbench.engine.feed import Feed, first_batch, in_order
from tlbench.engine.fuse import fused
from tlbench.engine.identity import function_digest
from tlbench.engine.pack import packed
from tlbench.engine.precision import DTYPES, FORMATS, autocast
from tlbench.engine.undone import modes_restored
from tlbench.errors import UserError
from tlbench.measure.memory import PeakMemory
from tlbench.measure.timing import wait_for
from tlbench.plan.cell import Protocol
from tlbench.results.costs import FeaturesRecord

FILE, TAKEN = "features.npy", "taken.json"
DISK_BYTES_PER_SECOND = 500e6
"""What reading features that don't stay in memory is taken to reach: a plain SSD. Not measured."""


MOST_VARIANTS = 4
COMPARED_IMAGES = 4
COMPARED_WITHIN = {"fp32": 1e-3, "bf16": 5e-2, "fp16": 5e-3}
"""How far kept features may be from what the model gives now, relative to the largest: rounding, on another machine."""
_compared: set[Path] = set()
"""The files that this process has compared with what a model gives."""


@dataclass(frozen=True)
class FeatureInputs:
    """What the features of a split are made of, apart from the model: for the key of the cache.

    `memory` measures what computing them takes.
    """

    images: Images
    dataset_digest: str
    split: str
    preprocessing: Preprocessing
    protocol: Protocol
    device: torch.device
    memory: PeakMemory


class Features:
    """The activations of a split, whole on a GPU where they fit, else memory-mapped, as batches on the device."""

    def __init__(
        self,
        file: Path,
        labels: torch.Tensor,
        dtype: torch.dtype,
        memory_format: torch.memory_format,
        device: torch.device,
    ) -> None:
        self._values = resident(open_array(file).view(dtype), device)
        self.labels = labels
        self._labels = labels.to(device)
        self._format = memory_format
        self._device = device

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def bytes(self) -> int:
        """What all of them take."""
        return self._values.nbytes

    @property
    def resident_bytes(self) -> int:
        """What they take of an accelerator's memory, whole and all the time."""
        return 0 if self._values.device.type == "cpu" else self.bytes

    def batch(self, chosen: torch.Tensor) -> Batch:
        """The examples at `chosen` places: features as the prefix gave them, maps in the model's memory format."""
        values = take(self._values, chosen, self._device)
        if values.ndim == 4:
            values = values.permute(0, 3, 1, 2).contiguous(memory_format=self._format)
        return Batch(values, self._labels[chosen.to(self._device)])

    def batches(self, order: Sequence[torch.Tensor]) -> Iterator[Batch]:
        """A batch for each of an order's sets of places."""
        return map(self.batch, placed(order, self._values.device))


def feed(
    model: TransferModel, phase: Train, inputs: FeatureInputs, cache: StageCache | None
) -> tuple[Feed, FeaturesRecord]:
    """What the steps of a phase (whose parts are frozen by now) compute: the suffix on features, or all on images."""
    whole = Feed(inputs.images, model.module)
    if inputs.images.augment is not None:
        return whole, FeaturesRecord(used=False, reason="the images are augmented at random")
    if inputs.protocol.mixup or inputs.protocol.cutmix:
        return whole, FeaturesRecord(used=False, reason="the images are mixed at random")
    if phase.penalty is not None or phase.objective is not None or phase.watch:
        return whole, FeaturesRecord(used=False, reason="what is minimised may look at the frozen part")
    if phase.after_step is not None or phase.moves is not None:
        return whole, FeaturesRecord(used=False, reason="what the phase does after a step may change the frozen part")
    if phase.epochs * inputs.protocol.epochs < 1:
        return whole, FeaturesRecord(used=False, reason="the phase sees no image twice")
    return feed_of(model, _cut(model, inputs, cache), inputs, cache)


def evaluation_cut(model: TransferModel, inputs: FeatureInputs, cache: StageCache | None) -> Cut | str:
    """The model cut for predictions, as it is now in eval mode; or why it isn't. `inputs` gives a batch to check by."""
    with modes_restored(model.module):
        model.module.eval()
        return _cut(model, inputs, cache)


def _cut(model: TransferModel, inputs: FeatureInputs, cache: StageCache | None) -> Cut | str:
    if cache is None:
        return "--features compute"
    if all(parameter.requires_grad for parameter in model.module.parameters()):
        return "nothing is frozen"
    try:
        images = first_batch(inputs.images, inputs.protocol.batch_size).images
        return cut(model.module, images, after=model.head_paths)
    except NotCuttable as error:
        return str(error)


def feed_of(
    model: TransferModel, pieces: Cut | str, inputs: FeatureInputs, cache: StageCache | None
) -> tuple[Feed, FeaturesRecord]:
    """What is computed of a split: the rest of a model that was cut (or why it wasn't) on features, or all of it."""
    whole = Feed(inputs.images, model.module)
    if isinstance(pieces, str) or cache is None:
        return whole, FeaturesRecord(used=False, reason=str(pieces))
    with inputs.memory.section() as peak_bytes:
        try:
            kept, size = _kept(pieces, inputs, cache, peak_bytes)
        except UserError as error:  # the cache can't be written: a pity, and no reason to fail
            return whole, FeaturesRecord(used=False, reason=str(error), cut_at=pieces.at)
    if isinstance(kept, str):
        return whole, FeaturesRecord(used=False, reason=kept, cut_at=pieces.at, bytes=size)
    peak_memory_bytes = json.loads((kept.path / TAKEN).read_text("utf-8"))["peak_memory_bytes"]
    if kept.reused:  # alone, the trial would have computed them
        inputs.memory.as_if_taken(peak_memory_bytes)
    features = Features(
        kept.path / FILE,
        inputs.images.labels,
        DTYPES[inputs.protocol.precision],
        FORMATS[inputs.protocol.memory_format],
        inputs.device,
    )
    record = FeaturesRecord(
        used=True,
        cut_at=pieces.at,
        bytes=features.bytes,
        computed_seconds=kept.seconds,
        shared_seconds=kept.shared_seconds,
        reused=kept.reused,
        peak_memory_bytes=peak_memory_bytes,
    )
    return Feed(features, pieces.suffix, prefix=pieces.prefix), record


def _kept(
    pieces: Cut, inputs: FeatureInputs, cache: StageCache, peak_bytes: Callable[[], int]
) -> tuple[Kept | str, int | None]:
    """The features from the cache, computed first where they must be; or why they are not worth it, and their bytes.

    Kept features are used only where they are what the prefix gives now for some of the images: of those that differ
    though their keys are equal, each has a variant of its own.
    """
    key = _key(pieces, inputs)
    for variant in range(MOST_VARIANTS):
        key["variant"] = variant
        prefix: nn.Module = pieces.prefix
        if not cache.holds("features", key):
            batch = first_batch(inputs.images, inputs.protocol.batch_size).images
            if inputs.protocol.precision == "fp32":
                prefix = packed(fused(pieces.prefix, batch), batch)
            reason, size = _not_worth_it(prefix, batch, inputs)
            if reason is not None:
                return reason, size

        def computed(folder: Path, prefix: nn.Module = prefix) -> None:
            compute(prefix, inputs, folder / FILE)
            (folder / TAKEN).write_text(json.dumps({"peak_memory_bytes": peak_bytes()}), "utf-8")

        kept = cache.get("features", key, computed)
        if not kept.reused or _are_those_of(pieces.prefix, inputs, kept.path / FILE):
            return kept, None
    return f"{MOST_VARIANTS} other models have kept features under the same key", None


def _are_those_of(prefix: nn.Module, inputs: FeatureInputs, file: Path) -> bool:
    """Whether a few kept features are what a prefix gives now; a file is looked at once in a process."""
    if file in _compared:
        return True
    places = torch.linspace(0, len(inputs.images) - 1, COMPARED_IMAGES).long()
    with torch.inference_mode(), autocast(inputs.device, inputs.protocol.precision):
        now = _as_stored(prefix(inputs.images.batch(places).images), inputs).cpu()
    then = open_array(file)[places]
    if now.shape != then.shape or now.dtype != then.dtype:
        return False
    dtype = DTYPES[inputs.protocol.precision]
    now, then = (each.view(dtype).double() for each in (now, then))
    alike = bool((now - then).abs().max() <= COMPARED_WITHIN[inputs.protocol.precision] * now.abs().max())
    if alike:
        _compared.add(file)
    return alike


def compute(prefix: nn.Module, inputs: FeatureInputs, file: Path) -> None:
    """Write the features of all images of a split, in its order; maps as N×H×W×C."""
    values: np.memmap[Any, Any] | None = None
    done = 0
    with torch.inference_mode(), autocast(inputs.device, inputs.protocol.precision):
        for batch in in_order(inputs.images, evaluation_batch(inputs.protocol, inputs.device)):
            out = _as_stored(prefix(batch.images), inputs).cpu().numpy()
            if values is None:
                shape = (len(inputs.images), *out.shape[1:])
                values = new_array(file, shape, out.dtype)
            values[done : done + len(out)] = out
            done += len(out)
    if values is not None:
        values.flush()


def _as_stored(out: torch.Tensor, inputs: FeatureInputs) -> torch.Tensor:
    """NumPy knows no bf16: its bits are kept as 16-bit integers."""
    ordered = (out.permute(0, 2, 3, 1) if out.ndim == 4 else out).to(DTYPES[inputs.protocol.precision]).contiguous()
    return ordered.view(torch.int16) if ordered.dtype == torch.bfloat16 else ordered


def _not_worth_it(prefix: nn.Module, batch: torch.Tensor, inputs: FeatureInputs) -> tuple[str | None, int]:
    """Why features had better be computed in each step, if so; and how many bytes they would take."""
    with torch.inference_mode(), autocast(inputs.device, inputs.protocol.precision):
        prefix(batch)
        wait_for(inputs.device)
        begun = time.perf_counter()
        out = prefix(batch)
        wait_for(inputs.device)
    seconds_an_image = (time.perf_counter() - begun) / len(batch)
    bytes_an_image = out[0].numel() * DTYPES[inputs.protocol.precision].itemsize
    size = bytes_an_image * len(inputs.images)
    if size > cache_limit_bytes():
        return f"they would take {spelled_bytes(size)}, more than the cache may hold (${LIMIT_VARIABLE})", size
    if not stays_in_memory(size) and bytes_an_image / DISK_BYTES_PER_SECOND > seconds_an_image:
        return "reading them would take longer than computing them", size
    return None, size


def _key(pieces: Cut, inputs: FeatureInputs) -> dict[str, object]:
    return {
        "version": 5,
        "dataset": inputs.dataset_digest,
        "split": inputs.split,
        "function": function_digest(pieces.prefix),
        "preprocessing": dataclasses.asdict(inputs.preprocessing),
        "precision": inputs.protocol.precision,
        "memory_format": inputs.protocol.memory_format,
        "device": inputs.device.type,
    }
