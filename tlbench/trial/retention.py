"""How much of the source a trial's model has kept: measured as the source model was, and again after adaptation."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from tlbench.cache import StageCache
from tlbench.contracts.backbone import Preprocessing
from tlbench.contracts.model import TransferModel
from tlbench.contracts.task import Statistics, Task, merit
from tlbench.data.batches import open_split
from tlbench.data.prepare import at_hand
from tlbench.data.prepared import SourceImages
from tlbench.engine.context import Context
from tlbench.engine.precision import FORMATS
from tlbench.engine.retention import Retained, SourceTask, retained
from tlbench.errors import RetentionUnknown
from tlbench.plan.cell import SINGLE_LABEL
from tlbench.registry.kinds import Registry
from tlbench.results.beside import RetentionRecord
from tlbench.saved.body import open_body
from tlbench.saved.rebuild import task_of
from tlbench.trial.jobs import TrialJob

STAGE, FILE = "retention", "before.json"


def retention(context: Context, job: TrialJob, registry: Registry) -> RetentionRecord | None:
    """What the trained model still knows of its source; None where nobody asked, nulls with the reason if unknown."""
    if job.source_images is None:
        return None
    if isinstance(job.source_images, str):
        return RetentionRecord(reason=job.source_images)
    try:
        return _measured(context, job, job.source_images, registry)
    except RetentionUnknown as error:
        return RetentionRecord(reason=str(error))
    except Exception as error:  # the trained model's own figures are not lost for it
        return RetentionRecord(reason=f"measuring it raised {type(error).__name__}: {error}")


def _measured(context: Context, job: TrialJob, images: SourceImages, registry: Registry) -> RetentionRecord:
    begun = time.perf_counter()
    with torch.random.fork_rng(devices=[]):
        source = _of_saved(context, job, registry) if job.source else _of_published(context, job, registry)
    whole = source.model
    if len(whole.head_paths) != 1:
        raise RetentionUnknown(f"the source's head is of {len(whole.head_paths)} modules")
    task = _source_task(source, images, registry, context, job)
    before = _before(source, task, images, context, job)
    after = retained(context.model, task, context.setting.protocol)
    sign = merit(task.primary.better, 1.0)
    return RetentionRecord(
        metric=task.primary.name,
        test_images=len(task.test),
        before=before.through_head,
        after=after.through_head,
        forgetting=_less(before.through_head, after.through_head, sign),
        probe_before=before.probe,
        probe_after=after.probe,
        probe_forgetting=_less(before.probe, after.probe, 1.0),
        seconds=time.perf_counter() - begun,
    )


def _less(before: float | None, after: float | None, sign: float) -> float | None:
    """How much worse a metric has become."""
    return None if before is None or after is None else sign * (before - after)


@dataclass(frozen=True)
class SourceSide:
    """A source model whole, how it saw images, its task, and what its head was trained on.

    `names` and `statistics` are of the head's outputs; None where they follow from the images. `identity` is a digest
    of its tensors.
    """

    model: TransferModel
    preprocessing: Preprocessing
    task: Task
    names: tuple[str, ...] | None
    statistics: Statistics | None
    identity: str


def _of_saved(context: Context, job: TrialJob, registry: Registry) -> SourceSide:
    """The source model that the run has trained, in the target's image size and on its device."""
    assert job.source is not None
    body, protocol = open_body(job.source.folder), context.setting.protocol
    module = body.whole(protocol.image_size).requires_grad_(False).eval()
    moved: Any = module.to(context.setting.device, memory_format=FORMATS[protocol.memory_format])  # type: ignore[call-overload]
    document = body.document
    return SourceSide(
        TransferModel(moved, body.backbone), body.preprocessing, task_of(document, registry), document.names,
        document.statistics, body.digest,
    )  # fmt: skip


def _of_published(context: Context, job: TrialJob, registry: Registry) -> SourceSide:
    """The model as it was published, with its own head."""
    whole = context.build().as_published()
    task = registry.tasks.resolve(SINGLE_LABEL).load()
    identity = f"{job.trial.cell.backbone} {context.progress.weights_digest}"
    return SourceSide(whole, whole.preprocessing, task, None, None, identity)


def _source_task(
    source: SourceSide, images: SourceImages, registry: Registry, context: Context, job: TrialJob
) -> SourceTask:
    """The source's own head, its images as the source model saw them, and what its outputs mean."""
    load = registry.datasets.resolve(images.dataset).load
    prepared = at_hand(images.data, load, source.task, lambda: StageCache(lease=job.lease))
    if source.names is not None and prepared.classes != source.names:
        raise RetentionUnknown(f"the source's classes were {source.names}, and now are {prepared.classes}")
    train, test = (
        open_split(
            prepared, split, preprocessing=source.preprocessing, device=context.setting.device,
            memory_format=FORMATS[context.setting.protocol.memory_format], source=load,
        )
        for split in ("train", "test")
    )  # fmt: skip
    head = source.model.module.get_submodule(source.model.head_paths[0])
    outputs = None if images.outputs is None else torch.tensor(images.outputs)
    names, statistics = source.names, source.statistics
    if names is None or statistics is None:
        assert outputs is not None
        names = tuple(map(str, range(len(list(head.parameters())[-1]))))
        statistics = source.task.statistics(names, outputs[train.labels].numpy())
    return SourceTask(
        head=head,
        objective=source.task.objective(names, statistics),
        primary=source.task.primary_metric,
        train=train,
        test=test,
        probed=prepared.task == SINGLE_LABEL,
        outputs=outputs,
    )


def _before(source: SourceSide, task: SourceTask, images: SourceImages, context: Context, job: TrialJob) -> Retained:
    """What the source model itself knows: measured once for all trials of the same image size and precision."""
    protocol = context.setting.protocol
    key: Mapping[str, Any] = {
        "model": source.identity,
        "images": images.data.digest,
        "outputs": images.outputs,
        "image_size": protocol.image_size,
        "precision": protocol.precision,
        "device": context.setting.device.type,
        "torch": torch.__version__,
    }

    def compute(folder: Path) -> None:
        found = retained(source.model, task, protocol)
        (folder / FILE).write_text(json.dumps([found.through_head, found.probe]), "utf-8")

    kept = StageCache(lease=job.lease).get(STAGE, key, compute)
    return Retained(*json.loads((kept.path / FILE).read_text("utf-8")))
