"""The machine that a plan is made for: its device, and what its matrix products reach while nothing else runs."""

from __future__ import annotations

from collections.abc import Mapping

from tlbench.errors import UserError
from tlbench.measure.cores import threads_each
from tlbench.plan.choices import Precision
from tlbench.plan.found import Preflight
from tlbench.plan.request import Request


def choose_device(wanted: str) -> str:
    """The device that was asked for, `auto` being the best there is; raises UserError where it is not available."""
    import torch

    if wanted == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    kind, _, number = wanted.partition(":")
    available: Mapping[str, bool] = {
        "cpu": True,
        "cuda": torch.cuda.is_available() and int(number or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }
    if not available[kind]:
        raise UserError(f"device {wanted!r} is not available; --device auto takes what is, --device cpu always works")
    return wanted


def described(request: Request, device: str, distributions: list[str]) -> Preflight:
    """What is to be said of the machine, with nothing found yet."""
    import torch

    from tlbench.measure.environment import machine

    jobs = 1 if request.jobs == "auto" else request.jobs
    return Preflight(machine(torch.device(device), distributions), threads_each(jobs) or torch.get_num_threads())


def note_peak(found: Preflight, device: str, precision: Precision) -> None:
    """Measure, once for each precision, what the machine's matrix products reach."""
    import torch

    from tlbench.engine.precision import DTYPES
    from tlbench.measure.peak import peak_flops

    if precision not in found.peak_flops_per_second:
        peak = peak_flops(torch.device(device), DTYPES[precision], found.threads)
        found.peak_flops_per_second[precision] = peak
