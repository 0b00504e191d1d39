"""The keywords of `tlbench.run`. Made from the options of a run by `python docs/generate.py`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, TypedDict


class RunOptions(TypedDict, total=False):
    """The options of a run, as `tlbench run --help` explains them; None is the default.

    Backbones, strategies and datasets are names, objects (a factory, a module, a dataset of another library), lists of
    both, or mappings from names to objects.
    """

    backbones: object
    strategies: object
    datasets: object
    seeds: int | None
    epochs: int | None
    image_size: int | None
    train_size: int | Literal["all"] | None
    test_size: int | Literal["all"] | None
    drop_duplicates: bool | None
    skip_unreadable: bool | None
    lr: float | None
    tune: Sequence[str | float] | str | None
    precision: Literal["auto", "fp32", "bf16", "fp16"] | None
    memory_format: Literal["auto", "contiguous", "channels_last"] | None
    budget: Literal["epochs", "passes"] | None
    batch_size: int | None
    optimizer: str | None
    schedule: str | None
    warmup: float | None
    weight_decay: float | None
    gradient_clip: float | None
    normalisation: str | None
    label_smoothing: float | None
    mixup: float | None
    cutmix: float | None
    class_weights: bool | None
    ema: float | None
    batchnorm: Literal["auto", "train", "frozen"] | None
    augment: Sequence[str] | str | None
    select: Literal["last", "best"] | None
    patience: int | None
    compile: Literal["off", "on", "auto"] | None
    deterministic: bool | None
    vary: Sequence[Literal["initialisation", "order", "augmentation"]] | str | None
    corruptions: Sequence[str] | str | None
    test_on: Sequence[str] | str | None
    sources: Sequence[str] | str | None
    source_strategy: str | None
    source_epochs: int | None
    retention: bool | None
    source_data: str | None
    find_batch_size: bool | None
    features: Literal["cache", "compute"] | None
    detail: bool | None
    weights: str | None
    save: Literal["none", "best", "all"] | None
    device: str | None
    jobs: int | Literal["auto"] | None
    executor: str | None
    reporters: Sequence[str] | str | None
    timeout: float | None
    data_root: str | Path | None
    plugin: Sequence[str] | str | None
    local_plugins: bool | None
    no_plugin: Sequence[str] | str | None
    plugins_from: Sequence[str] | str | None
