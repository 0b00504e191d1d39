"""What is said of a machine: the facts themselves, found by `measure/` in a process that has torch."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

PACKAGES = ("tlbench", "torch", "torchvision", "timm", "torchmetrics", "numpy", "scipy", "pillow")
"""Distributions that results and times depend on, besides the plugins' own."""


class Facts(BaseModel):
    """The base of what is said of a machine."""

    model_config = ConfigDict(frozen=True)


class Machine(Facts):
    """What does not change while a run lasts; found once, before its trials. What can't be known is None.

    `cores` are physical ones, `usable_cores` what this process may run on. `packages` has the plugins'
    distributions too. `accelerators` is the number of CUDA devices that can be used. `git_commit` is of the working
    folder, with `+changes` where it has uncommitted ones, `boot_id` of the kernel that runs: another one is another
    machine, or another job of a hosted runner.
    """

    platform: str
    python: str
    cpu: str
    cores: int | None
    usable_cores: int
    governor: str | None
    memory_bytes: int
    accelerator: str | None
    accelerator_memory_bytes: int | None
    accelerators: int = 0
    driver: str | None
    cuda: str | None
    cudnn: int | None
    packages: dict[str, str]
    git_commit: str | None
    boot_id: str | None = None


class AtStart(Facts):
    """How a trial's process found the machine and was set up. `load_average` is the system's, over a minute.

    `keeps_freed_memory` says that the C library's allocator was set so (`execute/allocator.py`).
    """

    threads: int
    keeps_freed_memory: bool
    deterministic: bool
    cudnn_benchmark: bool
    tf32_matmul: bool
    tf32_cudnn: bool
    load_average: float | None
    swap_used_bytes: int
    other_gpu_processes: int | None


class Readings(Facts):
    """The state of the machine while nothing of ours runs, and while it multiplies matrices. None: can't be known."""

    busy_percent: float
    swapped_bytes_per_second: float
    available_memory_share: float
    cpu_quota_cores: float | None
    throttled_times: int | None
    gpu_slowed: bool | None
    other_gpu_processes: int | None
    on_battery: bool | None
    product_jitter_percent: float


class Finding(Facts):
    """Something that spoils measurements, and what to do about it."""

    problem: str
    remedy: str
