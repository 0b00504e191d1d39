"""The machine and the software that a figure was measured with."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path

import psutil
import torch
from pydantic import BaseModel, ConfigDict


class Environment(BaseModel):
    """What a record says of where it was measured."""

    model_config = ConfigDict(frozen=True)

    platform: str
    python: str
    cpu: str
    cores: int | None
    threads: int
    memory_bytes: int
    accelerator: str | None
    cuda: str | None
    packages: dict[str, str]
    load_average: float | None


def environment(device: torch.device) -> Environment:
    """The environment of this process."""
    return Environment(
        platform=platform.platform(),
        python=platform.python_version(),
        cpu=_cpu_model(),
        cores=psutil.cpu_count(logical=False),
        threads=torch.get_num_threads(),
        memory_bytes=psutil.virtual_memory().total,
        accelerator=torch.cuda.get_device_name(device) if device.type == "cuda" else None,
        cuda=torch.version.cuda if device.type == "cuda" else None,
        packages={name: version(name) for name in ("tlbench", "torch", "torchvision", "timm", "numpy", "pillow")},
        load_average=os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
    )


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
