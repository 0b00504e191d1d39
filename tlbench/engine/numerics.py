"""The fastest number format and memory layout for a model, found by a few training steps of each."""

from __future__ import annotations

import copy
import math
import statistics
import time
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import nn

from tlbench.contracts.batch import Batch
from tlbench.engine.precision import FORMATS, autocast, gradient_scaler
from tlbench.measure.timing import wait_for
from tlbench.plan.cell import Numerics
from tlbench.plan.choices import MEMORY_FORMATS, MemoryFormat, Precision
from tlbench.results.records import NumericsCandidate

STEPS = 3
"""Timed steps of each candidate, after one of warm-up; the median counts."""
HOPELESS = 1.5
"""A candidate whose step after warm-up takes so many times the fastest's is not tried further."""
TOLERANCE = 0.02
"""How far, relative to fp32's, the loss of the first step may be off: bf16 has three digits."""
CAREFUL_RATE = 1e-6
"""The steps are to be timed, not to train."""


def candidates(device: torch.device, memory_formats: Sequence[MemoryFormat]) -> Iterator[Numerics]:
    """What is worth trying on a device; fp32 first, whose loss the others are held to."""
    for precision in ("fp32", _half(device)):
        for memory_format in memory_formats:
            yield Numerics(precision=precision, memory_format=memory_format)


Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""A batch's outputs and labels to the mean loss."""


def measure(
    module: nn.Module, batch: Batch, loss: Loss, memory_formats: Sequence[MemoryFormat] = MEMORY_FORMATS
) -> list[NumericsCandidate]:
    """Train a copy of a model in eager mode for some steps in each format; those that run out of memory are left out.

    `batch` holds normalised images N×3×S×S and labels.
    """
    found: list[NumericsCandidate] = []
    device = batch.labels.device
    for numerics in candidates(device, memory_formats):
        fastest = min((each.step_ms for each in found), default=math.inf)
        try:
            step_ms, first = _try(module, batch, loss, numerics, fastest)
        except RuntimeError:  # what both allocators raise
            continue
        reference = found[0].loss if found else first
        found.append(
            NumericsCandidate(
                precision=numerics.precision,
                memory_format=numerics.memory_format,
                step_ms=step_ms,
                loss=first if math.isfinite(first) else None,
                exact_enough=reference is not None and abs(first - reference) <= TOLERANCE * abs(reference),
            )
        )
    return found


def choose(found: list[NumericsCandidate], otherwise: MemoryFormat = "channels_last") -> Numerics:
    """The fastest that is exact enough; fp32 in the order `otherwise` where nothing could be measured."""
    fit = [each for each in found if each.exact_enough]
    if not fit:
        return Numerics(precision="fp32", memory_format=otherwise)
    best = min(fit, key=lambda each: each.step_ms)
    return Numerics(precision=best.precision, memory_format=best.memory_format)


def _half(device: torch.device) -> Precision:
    """bf16, but fp16 on GPUs that only emulate bf16."""
    if device.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
        return "fp16"
    return "bf16"


def _try(module: nn.Module, batch: Batch, loss: Loss, numerics: Numerics, fastest_ms: float) -> tuple[float, float]:
    """The milliseconds of a step, and the loss of the first one."""
    device, memory_format = batch.labels.device, FORMATS[numerics.memory_format]
    torch.manual_seed(0)
    copied = copy.deepcopy(module).to(device, memory_format=memory_format)  # type: ignore[call-overload]
    copied.train().requires_grad_(True)
    images = batch.images.contiguous(memory_format=memory_format)
    optimizer = torch.optim.AdamW(copied.parameters(), lr=CAREFUL_RATE, fused=True)
    scaler = gradient_scaler(device, numerics.precision)
    times: list[float] = []
    first_loss = math.nan
    for step in range(1 + STEPS):
        wait_for(device)
        begun = time.perf_counter()
        optimizer.zero_grad()
        with autocast(device, numerics.precision):
            value = loss(copied(images), batch.labels)
        scaler.scale(value).backward()  # type: ignore[no-untyped-call]
        scaler.step(optimizer)
        scaler.update()
        wait_for(device)
        times.append(1e3 * (time.perf_counter() - begun))
        first_loss = value.item() if step == 0 else first_loss
        if step == 1 and times[1] > HOPELESS * fastest_ms:
            break
    return statistics.median(times[1:]), first_loss
