"""torch.compile where the steps ahead repay it: what compiling took and brought is measured once, and remembered."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from pydantic import BaseModel, TypeAdapter
from torch import nn

from tlbench.cache import Remembered, compile_folder
from tlbench.contracts.batch import Batch
from tlbench.contracts.model import TransferModel
from tlbench.contracts.phases import Train
from tlbench.engine.feed import Feed, first_batch
from tlbench.engine.setting import Setting
from tlbench.engine.step import batch_loss
from tlbench.engine.undone import logs_undone, passes_undone
from tlbench.measure.environment import device_name
from tlbench.measure.timing import wait_for
from tlbench.plan.cell import Protocol
from tlbench.results.costs import CompileRecord

INDUCTOR_VARIABLE = "TORCHINDUCTOR_CACHE_DIR"
TORCHS_OWN_FOLDER = "torchinductor_"
TYPICAL_GAIN = 1.25
TYPICAL_SECONDS = 60.0
"""What a model that was never compiled here is expected to gain, and the compilation to take."""
WORTH_A_TRY = 1.5
"""As the gain may be none, so many times the seconds of a first compilation must be in sight."""
TIMED_STEPS = 3


class Known(BaseModel):
    """What compiling a model's step took when nothing of it was kept, and when it was; and a step without and with."""

    cold_seconds: float
    warm_seconds: float | None
    eager_step_ms: float
    compiled_step_ms: float


class FullBatches(nn.Module):
    """The compiled model for full batches; a last, shorter one would have it compiled again, and runs eagerly."""

    def __init__(self, eager: nn.Module, batch_size: int) -> None:
        super().__init__()
        self.eager = eager
        self._compiled: Callable[[torch.Tensor], torch.Tensor] = torch.compile(eager, dynamic=False)
        self._batch_size = batch_size

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """The eager model's output, up to rounding."""
        run = self._compiled if len(inputs) == self._batch_size else self.eager
        output: torch.Tensor = run(inputs)
        return output


def compiled(
    model: TransferModel, phase: Train, feed: Feed, setting: Setting, steps: int
) -> tuple[Feed, CompileRecord]:
    """A phase's feed with its forward pass compiled, where the protocol wants it or so many steps repay it.

    Nothing of the model changes. Where compiling fails, for want of a compiler or in what it can't take, the feed stays
    as it was, and the record says why.
    """
    protocol, device = setting.protocol, setting.device
    batch = first_batch(feed.source, protocol.batch_size)
    size = len(batch)
    memory = Remembered("compile/known", _key(feed.forward, batch, protocol, device), TypeAdapter(Known))
    known = memory.read()

    def timed(forward: nn.Module, repeats: int) -> list[float]:
        return _step_ms(model, phase, Feed(feed.source, forward), batch, setting, repeats)

    eager_ms = known.eager_step_ms if known else statistics.median(timed(feed.forward, 1 + TIMED_STEPS)[1:])
    if protocol.compile == "auto" and (reason := _not_worth_it(known, eager_ms, steps)) is not None:
        compiled_ms = known.compiled_step_ms if known else None
        return feed, CompileRecord(used=False, reason=reason, eager_step_ms=eager_ms, compiled_step_ms=compiled_ms)
    forward = FullBatches(feed.forward, size)
    begun = time.perf_counter()
    try:
        timed(forward, 1)
    except Exception as error:  # whatever the compiler raises: it must not cost the trial
        first_line = str(error).strip().partition("\n")[0]
        return feed, CompileRecord(used=False, reason=f"it can't be compiled: {type(error).__name__}: {first_line}")
    seconds = time.perf_counter() - begun
    compiled_ms = statistics.median(timed(forward, TIMED_STEPS))
    known = Known(
        cold_seconds=known.cold_seconds if known else seconds,
        warm_seconds=seconds if known else None,
        eager_step_ms=eager_ms,
        compiled_step_ms=compiled_ms,
    )
    memory.keep(known)
    measured = {
        "seconds": seconds,
        "cold_seconds": known.cold_seconds,
        "eager_step_ms": eager_ms,
        "compiled_step_ms": compiled_ms,
    }
    if protocol.compile == "auto" and compiled_ms >= eager_ms:
        reason = f"compiled, a step takes {compiled_ms:.0f} ms, and {eager_ms:.0f} ms without"
        return feed, CompileRecord.model_validate({"used": False, "reason": reason, **measured})
    return Feed(feed.source, forward, feed.prefix), CompileRecord.model_validate({"used": True, **measured})


def keep_compilations() -> None:
    """Have inductor keep its results in tlbench's cache, unless the user has named a place.

    Torch sets the variable itself when it is first imported, to a temporary folder of its own.
    """
    named = os.environ.get(INDUCTOR_VARIABLE, "")
    if not named or Path(named).name.startswith(TORCHS_OWN_FOLDER):
        os.environ[INDUCTOR_VARIABLE] = str(compile_folder() / "inductor")


def _not_worth_it(known: Known | None, eager_ms: float, steps: int) -> str | None:
    """Why so many steps had better run as they are, if so."""
    if known is None:
        saved = steps * eager_ms / 1e3 * (1 - 1 / TYPICAL_GAIN)
        if saved > WORTH_A_TRY * TYPICAL_SECONDS:
            return None
        return (
            f"{steps} steps of {eager_ms:.3g} ms would hardly repay a first compilation (about {TYPICAL_SECONDS:.0f} s)"
        )
    cost = known.cold_seconds if known.warm_seconds is None else known.warm_seconds
    saved = steps * (known.eager_step_ms - known.compiled_step_ms) / 1e3
    if saved > min(cost, known.cold_seconds):
        return None
    return (
        f"known from before: a step takes {known.compiled_step_ms:.3g} ms compiled, {known.eager_step_ms:.3g} ms "
        f"without; {steps} steps don't repay {cost:.0f} s"
    )


def _step_ms(
    model: TransferModel, phase: Train, feed: Feed, batch: Batch, setting: Setting, repeats: int
) -> list[float]:
    """Milliseconds of some forward and backward passes that leave no trace."""
    times, device = [], setting.device
    with passes_undone(model.module, device), logs_undone(model):
        for _ in range(repeats):
            wait_for(device)
            begun = time.perf_counter()
            batch_loss(model, phase, feed.forward, batch, setting).backward()  # type: ignore[no-untyped-call]
            wait_for(device)
            times.append(1e3 * (time.perf_counter() - begun))
            for parameter in model.module.parameters():
                parameter.grad = None
    return times


def _key(forward: nn.Module, batch: Batch, protocol: Protocol, device: torch.device) -> list[object]:
    """By the tensors' names, shapes and what is trained of them, the inputs, the numerics and the machine."""
    tensors = [(key, *each.shape, each.requires_grad) for key, each in forward.named_parameters()]
    modes = [module.training for module in forward.modules()]
    return [
        type(forward).__name__, tensors, modes, list(batch.images.shape), protocol.precision, protocol.memory_format,
        device.type, device_name(device), torch.get_num_threads(), torch.__version__,
    ]  # fmt: skip
