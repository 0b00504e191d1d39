"""What is compared: a cell under a protocol, and its trials, each with the id of all that decides its result."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Literal, Self

from pydantic import Field, JsonValue

from tlbench.plan.choices import Frozen, MemoryFormat, Precision
from tlbench.plan.recipe import Recipe
from tlbench.words import counted


class Numerics(Frozen):
    """The number format of a model's products, and the order of its images in memory."""

    precision: Precision = Field(description="Number format of the model's products.")
    memory_format: MemoryFormat = Field(description="Order of images in memory.")


class Protocol(Recipe):
    """What is equal for all cells of a dataset: the recipe of the request, and what it leaves open, filled in."""

    epochs: int = Field(description="Epochs that the budget gives.")
    image_size: int = Field(description="Pixels of an image's side.")
    train_size: int | None = Field(description="Largest number of training images; null where there is no limit.")
    test_size: int | None = Field(
        description="Largest number of test images, and of val images; null where there is no limit."
    )
    precision: Precision = Field(description="Number format of the model's products.")
    auto_precision: bool = Field(
        False,
        description="Whether each model has the precision and the memory format that were measured to be its fastest.",
    )
    memory_format: MemoryFormat = Field("channels_last", description="Order of images in memory.")
    asked_memory_format: MemoryFormat | None = Field(
        None, description="Memory format that was asked for; null where it was left open (`auto`)."
    )
    asked_batch_size: int | None = Field(
        None,
        description="Batch size that was asked for; null unless `--find-batch-size` had to take a smaller one.",
    )


class WeightsPlan(Frozen):
    """Which tensors a cell starts from, and why it is not the published ones where it isn't."""

    kind: Literal["pretrained", "random", "file"] = Field(
        description="`pretrained` for published weights, `file` for those of `--weights FILE`, `random` for a new draw."
    )
    name: str | None = Field(
        None,
        description="Name of the published weights, or of the file with 16 hex digits of its SHA-256; null where the "
        "weights are random, unless published ones are unavailable.",
    )
    url: str | None = Field(
        None,
        description="URL of the published weights, or the absolute path of the file; null where the weights are "
        "random, unless published ones are unavailable, and where the backbone states none.",
    )
    licence: str | None = Field(
        None,
        description="Licence of the published weights; null where the weights are random, unless published ones are "
        "unavailable, where they are from a file, and where the backbone states none.",
    )
    reason: Literal["strategy", "requested", "none-published", "unavailable"] | None = Field(
        None,
        description="Why the weights are random: `strategy` (from scratch on purpose), `requested` (`--weights "
        "random`), `none-published` or `unavailable` (not on this machine); null where they are not random.",
    )
    detail: str | None = Field(
        None, description="Why the published weights are not available; null unless the reason is `unavailable`."
    )


SINGLE_LABEL = "tasks/single-label"
ResolvedOptions = dict[str, JsonValue]
"""The values of all options of a component, defaults among them."""


class OtherBackbone(Frozen):
    """A backbone that a strategy builds besides the cell's own, a teacher say, and what it starts from."""

    backbone: str = Field(description="Qualified name of the backbone, with the options that were given.")
    weights: WeightsPlan = Field(description="Tensors that the backbone starts from.")
    options: ResolvedOptions = Field(
        default_factory=dict, description="Values of all options of the backbone, defaults among them, by name."
    )
    source_digest: str | None = Field(
        None, description="SHA-256 of the plugin that brings it, where that is not installed; null where it is."
    )


class DatasetBeside(Frozen):
    """A dataset beside the cell's own."""

    dataset: str = Field(description="Qualified name of the dataset, with the options that were given.")
    digest: str = Field(description="SHA-256 over the labels and pixels of every example that is used, in order.")
    options: ResolvedOptions = Field(
        default_factory=dict, description="Values of all options of the dataset, defaults among them, by name."
    )
    source_digest: str | None = Field(
        None, description="SHA-256 of the plugin that brings it, where that is not installed; null where it is."
    )


class OtherDatasetPlan(DatasetBeside):
    """Another dataset that a strategy trains on beside the cell's own."""

    task: str = Field(description="Qualified name of the dataset's task.")
    train_images: int = Field(description="Number of its training images, the ones that are used.")
    test_images_shared: int | None = Field(
        None,
        description="Number of the cell's test images that are among these training images, or nearly; null in a dry "
        "run.",
    )

    def leak_into(self, target: str) -> str:
        """What is to be said of test images of the target that are trained on."""
        number = self.test_images_shared or 0
        return (
            f"{counted(number, 'test image')} of {target} {'is' if number == 1 else 'are'} among the training images "
            f"of {self.dataset}, or nearly; figures on test are too good"
        )


class SourcePlan(Frozen):
    """What the backbone has learned before the target, where that is not its published pretraining."""

    kind: Literal["dataset", "saved"] = Field(
        description="`dataset` where the run trains the backbone on one first, `saved` for a saved model."
    )
    name: str = Field(
        description="Qualified name of the dataset, with the options that were given; `saved/` and the id of the trial "
        "that left the saved model."
    )
    trial: str = Field(
        description="Id of the trial that trained the backbone on the source: of all that decided its result."
    )
    digest: str | None = Field(
        None, description="First 16 hex digits of the SHA-256 of a saved model's tensors; null for a dataset."
    )
    path: str | None = Field(None, description="Absolute path of the saved model; null for a dataset.")
    strategy: str = Field(description="Qualified name of the strategy that trained the backbone on the source.")
    data: OtherDatasetPlan | None = Field(
        None, description="The dataset and what it shares with the cell's own; null for a saved model."
    )


class ShiftPlan(DatasetBeside):
    """Another dataset whose test split the cell's models are tested on besides, which has the same classes."""

    test_images: int = Field(description="Number of its test images, the ones that are predicted.")
    train_images_shared: int | None = Field(
        None,
        description="Number of these that are among the cell's training images, or nearly; null in a dry run.",
    )

    def leak_from(self, target: str) -> str:
        """What is to be said of its test images that the target trains on."""
        number = self.train_images_shared or 0
        return (
            f"{counted(number, 'test image')} of {self.dataset} {'is' if number == 1 else 'are'} among the training "
            f"images of {target}, or nearly; figures on it are too good"
        )


SOURCE_SEED = 0
"""Of the trial on a source: the source model is one, as published weights are."""
UNDECISIVE: dict[str, Any] = {
    "weights": {"detail"},
    "protocol": {"asked_batch_size", "asked_memory_format"},
    "other_datasets": {"__all__": {"train_images", "test_images_shared"}},
    "source_model": {"path", "strategy", "data"},  # the id of its trial stands for all of it
    "test_on": {"__all__": {"test_images", "train_images_shared"}},
}
"""What a cell keeps to be told of, and its results do not depend on."""


class Cell(Frozen):
    """What is compared: a backbone on a dataset by a strategy, on a device, under a protocol."""

    backbone: str = Field(description="Qualified name of the backbone, with the options that were given.")
    source: Literal["published", "file", "none", "dataset", "saved"] = Field(
        description="What the backbone learned before: its published weights, those of a file, or nothing; or what "
        "`source_model` says, a dataset that it is trained on first or a saved model."
    )
    dataset: str = Field(description="Qualified name of the dataset, with the options that were given.")
    strategy: str = Field(description="Qualified name of the strategy, with the options that were given.")
    device: str = Field(description="Device that the trials run on, as torch names it.")
    protocol: Protocol = Field(description="What is equal for all cells of the dataset.")
    learning_rate: float | None = Field(
        description="Learning rate of the strategy; null where it is chosen on val among `tuned_rates`, and where the "
        "strategy has no steps."
    )
    tuned_rates: tuple[float, ...] = Field(
        (), description="Learning rates to choose from on val; empty where there is one rate, or none."
    )
    weights: WeightsPlan = Field(
        description="Tensors that the backbone starts from; those that it had before the source, where `source_model` "
        "is not null."
    )
    source_model: SourcePlan | None = Field(
        None, description="What the backbone learns before the target; null where the weights are all of it."
    )
    others: tuple[OtherBackbone, ...] = Field(
        (), description="Backbones that the strategy builds besides the cell's own."
    )
    other_datasets: tuple[OtherDatasetPlan, ...] = Field(
        (), description="Datasets that the strategy trains on besides the cell's own."
    )
    dataset_digest: str = Field(
        description="SHA-256 over the labels and pixels of every example that is used, in order."
    )
    task: str = Field(SINGLE_LABEL, description="Qualified name of the dataset's task.")
    options: dict[str, ResolvedOptions] = Field(
        default_factory=dict,
        description="Values of all options of `backbone`, `dataset`, `strategy` and `task`, defaults among them, so "
        "that a default that a release changes makes another cell; empty where an earlier release wrote the record.",
    )
    sources: dict[str, str] = Field(
        default_factory=dict,
        description="SHA-256 of the Python files of each plugin that is not installed, by what it brings (`backbone`, "
        "`dataset`, `strategy`, `task`), so that a change of a file makes another cell.",
    )
    corruptions: dict[str, tuple[float, ...]] = Field(
        default_factory=dict,
        description="Corruptions that test is predicted under besides, by name, each with its strengths at severities "
        "1 to 5; empty without `--corruptions`.",
    )
    test_on: tuple[ShiftPlan, ...] = Field(
        (), description="Other datasets that the models are tested on besides; empty without `--test-on`."
    )

    @property
    def key(self) -> tuple[str, ...]:
        """What pairs the cell with one of another run, whose id may be another one."""
        source = () if self.source_model is None else (self.source_model.name,)
        return self.backbone, self.strategy, self.dataset, self.device, *source

    @cached_property
    def id(self) -> str:
        """16 hex digits of all that decides the results of the cell's trials."""
        decisive = self.model_dump(mode="json", exclude=UNDECISIVE)
        decisive["protocol"] = _as_first_digested(decisive["protocol"])
        if self.task == SINGLE_LABEL:  # the one task there was when the first ids were made
            del decisive["task"]
        if self.source_model is None:  # as it was before there were any
            del decisive["source_model"]
        if not self.other_datasets:  # as it was before there were any
            del decisive["other_datasets"]
        if not self.sources:  # of installed plugins
            del decisive["sources"]
        for besides in ("corruptions", "test_on"):
            if not decisive[besides]:  # as it was before there were any
                del decisive[besides]
        for other in (*decisive["others"], *decisive.get("other_datasets", ())):
            if other["source_digest"] is None:
                del other["source_digest"]
        if not self.options:  # records of releases that did not keep them
            del decisive["options"]
            for other in decisive["others"]:
                del other["options"]
        return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:16]

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy, which has an id of its own."""
        copied = super().model_copy(update=update, deep=deep)
        vars(copied).pop("id", None)
        return copied


def _as_first_digested(protocol: dict[str, Any]) -> dict[str, Any]:
    """A protocol as the first ids digested it, so that these stay what they are: older names, null for what is off."""
    older = {"warmup": "warmup_share", "augment": "augmentation"}
    found = {older.get(name, name): value for name, value in protocol.items()}
    found |= {name: found[name] or None for name in ("gradient_clip", "mixup", "cutmix", "ema")}
    if found["normalisation"] == "weights":
        del found["normalisation"]
    return found


class Trial(Frozen):
    """A cell and a seed."""

    cell: Cell = Field(description="What is compared.")
    seed: int = Field(description="Seed of what the protocol lets vary, from 0.")

    @property
    def id(self) -> str:
        """The cell's id and the seed."""
        return trial_id(self.cell.id, self.seed)


def trial_id(cell_id: str, seed: int) -> str:
    """The id of a cell's trial with a seed."""
    return f"{cell_id}-{seed}"
