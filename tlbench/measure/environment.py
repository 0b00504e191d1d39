"""The machine and the software that a figure was measured with: a record has all of `Machine` and `AtStart`."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil
import torch

from tlbench.execute.allocator import keep_freed_memory
from tlbench.measure import nvml
from tlbench.measure.cores import cpu_model, usable_cores
from tlbench.measure.machine import PACKAGES, AtStart, Machine

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
GOVERNOR = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")


def machine(device: torch.device, distributions: Iterable[str] = ()) -> Machine:
    """The machine, with the versions of the usual packages and of some more distributions."""
    on_cuda = device.type == "cuda"
    return Machine(
        platform=platform.platform(),
        python=platform.python_version(),
        cpu=cpu_model(),
        cores=psutil.cpu_count(logical=False),
        usable_cores=usable_cores(),
        governor=GOVERNOR.read_text().strip() if GOVERNOR.exists() else None,
        memory_bytes=psutil.virtual_memory().total,
        accelerator=torch.cuda.get_device_name(device) if on_cuda else None,
        accelerator_memory_bytes=torch.cuda.get_device_properties(device).total_memory if on_cuda else None,
        accelerators=torch.cuda.device_count() if on_cuda else 0,
        driver=_driver(device) if on_cuda else None,
        cuda=torch.version.cuda if on_cuda else None,
        cudnn=_cudnn() if on_cuda else None,
        packages={name: found for name in (*PACKAGES, *distributions) if (found := _version(name))},
        git_commit=git_commit(Path.cwd()),
        boot_id=BOOT_ID.read_text().strip() if BOOT_ID.exists() else None,
    )


def at_start(device: torch.device) -> AtStart:
    """The state of this process and of the machine now."""
    return AtStart(
        threads=torch.get_num_threads(),
        keeps_freed_memory=keep_freed_memory(),
        deterministic=torch.are_deterministic_algorithms_enabled(),
        cudnn_benchmark=torch.backends.cudnn.benchmark,
        tf32_matmul=torch.backends.cuda.matmul.allow_tf32,
        tf32_cudnn=torch.backends.cudnn.allow_tf32,
        load_average=os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        swap_used_bytes=psutil.swap_memory().used,
        other_gpu_processes=other_gpu_processes(device) if device.type == "cuda" else None,
    )


def device_name(device: torch.device) -> str:
    """The name of the GPU, or of the CPU."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else cpu_model()


def git_commit(folder: Path) -> str | None:
    """The commit that a folder is at; None where it is in no repository or there is no git."""

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True, timeout=10)
        return done.stdout.strip()

    try:
        commit = git("rev-parse", "HEAD")
        return f"{commit}+changes" if git("status", "--porcelain", "--untracked-files=no") else commit
    except (OSError, subprocess.SubprocessError):
        return None


def other_gpu_processes(device: torch.device) -> int | None:
    """How many other processes compute on a CUDA device; None where NVML can't say."""
    running = nvml.ask(device, lambda pynvml, gpu: pynvml.nvmlDeviceGetComputeRunningProcesses(gpu))
    return None if running is None else len([process for process in running if process.pid != os.getpid()])


def _cudnn() -> int | None:
    found: int | None = torch.backends.cudnn.version()  # type: ignore[no-untyped-call]
    return found


def _driver(device: torch.device) -> str | None:
    return nvml.ask(device, lambda pynvml, _gpu: str(pynvml.nvmlSystemGetDriverVersion()))


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None
