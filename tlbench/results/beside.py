"""What a record has beside its own test and cost: the source model, what is left of its task, and corruptions."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tlbench.results.part import RecordPart


class SourceRecord(RecordPart):
    """What the backbone learned before, from a source dataset or a saved model, and what that took."""

    kind: Literal["dataset", "saved"] = Field(
        description="`dataset` where the run trained the backbone on one first, `saved` for a saved model."
    )
    name: str = Field(description="Qualified name of the dataset; `saved/` and a trial's id for a saved model.")
    trial: str = Field(
        description="Id of the trial that trained it; its record is `sources/ID.json` in the folder of the run."
    )
    strategy: str = Field(description="Qualified name of the strategy that trained it.")
    metric: str | None = Field(
        None, description="Name of the primary metric on the source; null where its record is not known."
    )
    value: float | None = Field(
        None, description="Primary metric of the source's test; null where its record is not known."
    )
    train_seconds: float | None = Field(
        None,
        description="Seconds of training on the source, feature extraction included, as if alone; null where its record "
        "is not known.",
    )
    energy_joules: float | None = Field(
        None, description="Energy of training on the source; null where it was not measured."
    )
    peak_memory_bytes: int | None = Field(
        None, description="Peak memory of training on the source; null where it was not measured."
    )
    reused: bool | None = Field(
        None,
        description="Whether the source model was in the cache when the run began, so that its training was not paid "
        "for again; null for a saved model.",
    )


class RetentionRecord(RecordPart):
    """What the trained model still knows of its source: the primary metric on the source's test, before and after."""

    metric: str | None = Field(None, description="Name of the source's primary metric; null where it is not measured.")
    test_images: int | None = Field(
        None, description="Number of the source's test images; null where it is not measured."
    )
    before: float | None = Field(
        None,
        description="The metric of the source model, in the target's image size; null where it is not measured, or "
        "can't be computed.",
    )
    after: float | None = Field(
        None,
        description="The metric of the trained body through the source's own head; null where it is not measured, or "
        "can't be computed.",
    )
    forgetting: float | None = Field(
        None, description="How much worse the metric is after than before; null where one of the two is."
    )
    probe_before: float | None = Field(
        None,
        description="Accuracy of a logistic regression on features of the source model; null unless the source is "
        "single-label.",
    )
    probe_after: float | None = Field(
        None,
        description="Accuracy of a logistic regression on features of the trained model; null unless the source is "
        "single-label.",
    )
    probe_forgetting: float | None = Field(
        None, description="Accuracy of the probe before less that after; null where one of the two is."
    )
    seconds: float | None = Field(None, description="Seconds that this took; null where it is not measured.")
    reason: str | None = Field(None, description="Why it is not measured; null where it is.")


class CorruptionsRecord(RecordPart):
    """The primary metric of test under corruptions, whose strengths are in `trial.cell.corruptions`."""

    by_corruption: dict[str, list[float | None]] = Field(
        description="Metric at severities 1 to 5 under each corruption, by name; null where it can't be computed, and "
        "where the model's outputs for the corrupted images are not finite."
    )
    by_severity: list[float | None] = Field(
        description="Mean over the corruptions at severities 1 to 5; null where one of them is."
    )
