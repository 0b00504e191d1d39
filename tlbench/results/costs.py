"""What a trial cost, as its record has it: time, memory, FLOPs, energy. What was not measured is null, never 0."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tlbench.results.part import RecordPart


class StepMs(RecordPart):
    """Milliseconds of a training step on a full batch, after warm-up."""

    median: float = Field(description="Median milliseconds of a step.")
    p05: float = Field(description="5th percentile, in milliseconds.")
    p95: float = Field(description="95th percentile, in milliseconds.")
    n: int = Field(description="Number of steps that the figures are made of.")
    median_low: float | None = Field(
        None,
        description="Lower end of the median's 95 % bootstrap interval, in milliseconds; null where `n` is 1.",
    )
    median_high: float | None = Field(
        None,
        description="Upper end of the median's 95 % bootstrap interval, in milliseconds; null where `n` is 1.",
    )


class PartsMs(RecordPart):
    """Mean milliseconds of the parts of a steady step; they sum to the mean step."""

    data: float = Field(description="Milliseconds of fetching, augmenting and mixing the batch.")
    forward: float = Field(description="Milliseconds of the forward pass and the loss.")
    backward: float = Field(description="Milliseconds of the backward pass.")
    optimizer: float = Field(
        description="Milliseconds of clipping the gradients, setting the rate and the optimizer's step."
    )


class MemoryParts(RecordPart):
    """Bytes of what a trial keeps at once, from the tensors; the largest over its phases."""

    parameters: int = Field(description="Bytes of the model's parameters.")
    buffers: int = Field(description="Bytes of the model's buffers.")
    gradients: int = Field(description="Bytes of the gradients that one backward pass leaves.")
    optimizer: int = Field(description="Bytes of the tensors in the optimizer's state.")
    activations: int | None = Field(
        description="Bytes of what autograd keeps for one backward pass, parameters and buffers left out; "
        "null where no phase trains by steps."
    )
    features: int | None = Field(
        None,
        description="Peak bytes while features of a frozen part were computed, whichever trial computed them; "
        "null where the trial uses no such features.",
    )
    data: int | None = Field(
        None,
        description="Bytes of images and features that stay on the GPU during training, part of its peak: where they "
        "take more than a quarter of its free memory, they are moved batch by batch instead; null on other devices.",
    )
    activations_and_temporaries: int | None = Field(
        None,
        description="Bytes of CUDA's peak less parameters, buffers, gradients, optimizer state and data; "
        "null on other devices.",
    )


class FeaturesRecord(RecordPart):
    """Whether a phase trained on features of its frozen prefix, computed once, and if not, why not."""

    used: bool = Field(description="Whether the phase read features instead of computing them in every step.")
    reason: str | None = Field(None, description="Why features were not used; null where they were.")
    cut_at: str | None = Field(
        None,
        description="Place in the model whose output the features are; null where the model was not cut.",
    )
    bytes: int | None = Field(
        None,
        description="Bytes of the features of all images of the split; null where the model was not cut, and "
        "where the cache could not keep them.",
    )
    computed_seconds: float | None = Field(
        None,
        description="Seconds that computing the features took when it was done, by this trial or another; null where "
        "features were not used.",
    )
    shared_seconds: float | None = Field(
        None,
        description="Seconds that features of another trial or run saved this one, 0 where it computed them itself; "
        "null where features were not used.",
    )
    reused: bool | None = Field(
        None,
        description="Whether the cache already had the features; null where features were not used.",
    )
    peak_memory_bytes: int | None = Field(
        None,
        description="Peak bytes of the trial that computed the features, while it did; null where features were not "
        "used.",
    )


class SolveRecord(RecordPart):
    """One `Solve` phase: a head fitted in closed form."""

    phase: int = Field(description="Place of the phase among those of the strategy, from 0.")
    seconds: float = Field(description="Seconds of fitting alone, without the features.")
    images: int = Field(description="Number of training images that the seed drew and the head was fitted to.")
    features: FeaturesRecord = Field(description="Features of the training images that the head was fitted to.")
    chosen: dict[str, float] = Field(
        default_factory=dict,
        description="Options that were chosen on val, by name; empty where there was nothing to choose.",
    )
    candidates: list[dict[str, float]] = Field(
        default_factory=list,
        description="Options that were tried, each with its primary metric of val.",
    )


class CompileRecord(RecordPart):
    """Whether a phase's steps ran compiled by torch.compile, and if not, why not.

    The two steps are forward and backward pass alone, on a full batch.
    """

    used: bool = Field(description="Whether the phase's steps ran compiled.")
    reason: str | None = Field(None, description="Why the steps ran eagerly; null where they ran compiled.")
    seconds: float | None = Field(
        None,
        description="Seconds that compiling took in this trial; null where the steps were not compiled.",
    )
    cold_seconds: float | None = Field(
        None,
        description="Seconds that compiling took when nothing of it was kept on disk; null where the steps were "
        "not compiled.",
    )
    eager_step_ms: float | None = Field(
        None,
        description="Median milliseconds of an eager step; null where compiling was not considered for the phase, "
        "or failed.",
    )
    compiled_step_ms: float | None = Field(
        None,
        description="Median milliseconds of a compiled step, of this trial or an earlier one; null where none is "
        "known.",
    )


class BatchNormRecord(RecordPart):
    """Whether the BatchNorm statistics of what a phase trains moved, and why."""

    statistics: Literal["train", "frozen"] = Field(
        description="`train` where the statistics of all layers moved, `frozen` otherwise."
    )
    moving: int = Field(description="Number of layers whose statistics moved.")
    layers: int = Field(description="Number of BatchNorm layers that the phase trains.")
    reason: str = Field(description="Why the statistics moved or were frozen.")


class PhaseCost(RecordPart):
    """One `Train` phase with one learning rate; where several rates were tried, each has an entry."""

    phase: int = Field(description="Place of the phase among those of the strategy, from 0.")
    learning_rate: float | None = Field(
        None,
        description="Learning rate of the trial or the candidate, before the phase's own factor; null where an earlier "
        "release wrote the record.",
    )
    steps: int = Field(description="Number of training steps.")
    images: int = Field(description="Number of images in all steps, each counted every time it was used.")
    warmup_steps: int = Field(description="Number of first steps that are left out of the step times.")
    warmup_seconds: float = Field(description="Seconds of the warm-up steps.")
    step_ms: StepMs | None = Field(
        description="Milliseconds of a steady step; null where no step after warm-up had a full batch."
    )
    parts_ms: PartsMs | None = Field(
        description="Mean milliseconds of the parts of a steady step; null without `--detail`, and where no step "
        "follows warm-up."
    )
    images_per_second: float | None = Field(
        description="Images of the steady steps over their seconds; null where no step follows warm-up."
    )
    trainable_parameters: int = Field(description="Number of parameters that the phase trained.")
    forward_flops_per_image: float | None = Field(
        description="FLOPs of the whole model's forward pass for one image; null where an earlier release could not "
        "count them."
    )
    train_flops_per_image: float | None = Field(
        description="FLOPs of a training step as performed, for one image: none for frozen parts' gradients, none for "
        "features that are read; null where an earlier release could not count them."
    )
    features: FeaturesRecord | None = Field(
        None,
        description="Features of the frozen prefix that the phase trained on; null where an earlier release wrote the "
        "record.",
    )
    compile: CompileRecord | None = Field(
        None,
        description="Whether the steps ran compiled; null without `--compile`, and where heads were trained in one "
        "product.",
    )
    batchnorm: BatchNormRecord | None = Field(
        None,
        description="Whether the BatchNorm statistics moved; null where the phase trains no BatchNorm.",
    )


class InferenceRecord(RecordPart):
    """How fast the finished model predicts in batches of one size."""

    batch_size: int = Field(description="Images in a batch.")
    images_per_second: float = Field(description="Images per second of the median batch.")
    batch_ms: float = Field(description="Milliseconds of the median batch.")


class Cost(RecordPart):
    """What the trial cost. Times are wall time of the trial's process.

    The stages (`features_paid_seconds` among them, not `features_seconds`) sum to `paid_seconds` where the basis is
    `measured`.
    """

    basis: Literal["measured", "attributed"] = Field(
        "measured",
        description="`measured` where the trial was trained by itself; `attributed` where its head was trained in one "
        "product with others, and its costs alone are estimated from steps of one head by itself.",
    )
    product_heads: int | None = Field(
        None,
        description="Number of linear heads that were trained in the product; null where the basis is `measured`.",
    )
    concurrent_trials: int = Field(
        description="Number of trials that ran at once on the device; times are undisturbed where it is 1."
    )
    paid_seconds: float = Field(
        description="Seconds from the trial's first moment to its record; with the basis `attributed`, its share of "
        "the process."
    )
    load_seconds: float = Field(
        description="Seconds of setting torch up, building the model, loading the weights and opening the images."
    )
    measure_seconds: float | None = Field(
        None,
        description="Seconds of the harness's own measurements: probes, comparisons of frozen tensors, the speed of "
        "prediction; null where an earlier release wrote the record.",
    )
    features_seconds: float | None = Field(
        None,
        description="Seconds that the features of frozen parts would have cost the trial alone, wherever they came "
        "from; null where the strategy has neither a `Train` nor a `Solve` phase.",
    )
    features_paid_seconds: float | None = Field(
        None,
        description="Seconds that the trial itself spent on these features, less where they were there already; null "
        "where the strategy has neither a `Train` nor a `Solve` phase.",
    )
    shared_seconds: float | None = Field(
        None,
        description="Seconds that results of other trials and runs saved this one, features of val and test among "
        "them; null where an earlier release wrote the record.",
    )
    compile_seconds: float | None = Field(
        None,
        description="Seconds of timing eager steps, compiling and timing compiled steps; null without `--compile`.",
    )
    train_seconds: float = Field(
        description="Seconds of the training steps and of what the strategy does between them, without features."
    )
    validate_seconds: float | None = Field(
        None,
        description="Seconds of predicting val while training; null without `--select best`, `--patience`, `--tune` "
        "and `Validate` phases.",
    )
    evaluate_seconds: float = Field(description="Seconds of predicting and scoring val and test after training.")
    robustness_seconds: float | None = Field(
        None,
        description="Seconds of predicting and scoring test under corruptions and other datasets; null without "
        "`--corruptions` and `--test-on`.",
    )
    save_seconds: float | None = Field(
        None,
        description="Seconds of writing predictions and, where it is saved, the model; null where an earlier release "
        "wrote the record.",
    )
    warmup_steps: int = Field(description="Number of warm-up steps over all phases.")
    warmup_seconds: float = Field(description="Seconds of the warm-up steps of all phases.")
    images_per_second: float | None = Field(
        description="Images of all training steps and fits per second of training, features included, as if alone; "
        "null where no image was trained on."
    )
    passes: float | None = Field(
        None,
        description="Images of training steps, of fits and of estimating BatchNorm statistics again, over those of the "
        "protocol's epochs, for one learning rate; null where an earlier release wrote the record.",
    )
    inference: list[InferenceRecord] = Field(
        default_factory=list,
        description="Speed of the finished model, one entry for each batch size that was tried.",
    )
    inference_images_per_second: float | None = Field(
        None,
        description="Images per second of the finished model at its fastest batch size; null where an earlier release "
        "wrote the record.",
    )
    inference_images_per_second_one: float | None = Field(
        None,
        description="Images per second of the finished model at batch size 1; null where an earlier release wrote the "
        "record.",
    )
    phases: list[PhaseCost] = Field(
        default_factory=list,
        description="One entry for each `Train` phase and each learning rate that was tried.",
    )
    solves: list[SolveRecord] = Field(default_factory=list, description="One entry for each `Solve` phase.")
    peak_memory_bytes: int = Field(
        description="Peak bytes of memory as if alone; where features were there already, what computing them took "
        "counts."
    )
    peak_reserved_bytes: int | None = Field(
        None,
        description="Most bytes that CUDA's caching allocator took from the device; null on other devices.",
    )
    memory_basis: Literal["resident-growth", "cuda-allocated"] = Field(
        description="`cuda-allocated` where the peak is that of CUDA's allocator; `resident-growth` where it is the "
        "growth of the process's resident memory since the trial's start."
    )
    memory: MemoryParts | None = Field(
        None,
        description="Bytes of what the peak is made of; null where an earlier release wrote the record.",
    )
    pace_ms: float | None = Field(
        None,
        description="Median milliseconds of a step of one small block, always the same, between training steps: "
        "how fast the machine was meanwhile; null on other devices than the CPU, where no phase trains by steps, and "
        "where an earlier release wrote the record.",
    )
    energy_joules: float | None = Field(
        None,
        description="Joules that the device's counter counted over the training stage; null where there is no counter "
        "that can be read, and where the basis is `attributed`.",
    )
    energy_source: Literal["nvml", "rapl"] | None = Field(
        None,
        description="Counter that the joules were read from; null where `energy_joules` is.",
    )
    energy_reason: str | None = Field(
        None,
        description="Why there is no figure for energy; null where there is one.",
    )
    flops_per_image: float | None = Field(
        None,
        description="FLOPs of the whole model's forward pass for one image, in the last `Train` phase; null where no "
        "phase trains by steps.",
    )
    train_flops_per_image: float | None = Field(
        None,
        description="FLOPs of a training step as performed, for one image, the mean over all steps; null where no "
        "phase trains by steps.",
    )
    achieved_flops_per_second: float | None = Field(
        None,
        description="`train_flops_per_image` times the images per second of steady steps; null where either is not "
        "known.",
    )
    peak_flops_per_second: float | None = Field(
        None,
        description="FLOPs per second of the fastest matrix product on this device in the trial's precision; null "
        "where `--jobs auto` runs several trials at once, whose number of threads it was not measured with.",
    )
    peak_share: float | None = Field(
        None,
        description="`achieved_flops_per_second` over `peak_flops_per_second`, as a fraction; null where either is.",
    )
    trainable_parameters: int = Field(
        description="Number of elements of every tensor that any phase trained or fitted."
    )
    total_parameters: int = Field(description="Number of the finished model's parameters.")

    @property
    def train_with_features_seconds(self) -> float:
        """Seconds of training, feature extraction included, as if alone."""
        return self.train_seconds + (self.features_seconds or 0.0)

    @property
    def trained(self) -> bool:
        """Whether any phase trained or fitted anything."""
        return bool(self.phases or self.solves)
