"""How fast the machine is at the moment: a step of one small block between training steps, outside their times.

A shared CPU drifts by several per cent within minutes, and what takes longer then is no slower code. The block and its
images are always the same, so that their time says how much of a difference between two runs is the machine's.
"""

from __future__ import annotations

import statistics
import time

import torch
import torch.nn.functional as F

from tlbench.measure.spans import Spans

SHARE = 0.03
"""Of the time between two calls: what the block may take, beside it."""
IMAGES, CHANNELS, EXPANDED, SIDE = 4, 32, 192, 28
WARM_UP, MOST_AT_ONCE = 3, 4


class Pace:
    """Times an inverted residual block, forward and backward, between steps on the CPU; other devices are not asked.

    Nothing is allocated before the first step has ended: what the block needs is then taken from what the step freed.
    """

    def __init__(self, device: torch.device, spans: Spans) -> None:
        self._asked = device.type == "cpu"
        self._spans = spans
        self._seconds: list[float] = []
        self._block: _Block | None = None
        self._ended = self._took = 0.0

    @property
    def median_ms(self) -> float | None:
        """Milliseconds of the block, in the median of all times between steps; None where there were none."""
        return 1e3 * statistics.median(self._seconds) if self._seconds else None

    def between_steps(self) -> None:
        """Time the block as often as `SHARE` of the time since it ended last is enough for."""
        if not self._asked:
            return
        if self._block is None:
            with self._spans.within("measure"):
                self._block = _Block()
                for _ in range(WARM_UP):
                    self._time(self._block)
            return
        times = int((time.perf_counter() - self._ended) * SHARE / self._took)
        if times:
            with self._spans.within("measure"):
                for _ in range(min(times, MOST_AT_ONCE)):
                    self._time(self._block)
                    self._seconds.append(self._took)

    def _time(self, block: _Block) -> None:
        begun = time.perf_counter()
        block.step()
        self._ended = time.perf_counter()
        self._took = self._ended - begun


class _Block:
    """1×1 to six times the channels, 3×3 depthwise, 1×1 back, each with batch norm (Sandler et al. 2018).

    It has what a step of a network has: convolutions of both kinds, memory-bound layers, a backward pass.
    """

    def __init__(self) -> None:
        draw = torch.Generator().manual_seed(0)
        images = torch.randn(IMAGES, CHANNELS, SIDE, SIDE, generator=draw)
        self._images = images.contiguous(memory_format=torch.channels_last)
        self._expand = torch.randn(EXPANDED, CHANNELS, 1, 1, generator=draw).requires_grad_()
        self._depthwise = torch.randn(EXPANDED, 1, 3, 3, generator=draw).requires_grad_()
        self._project = torch.randn(CHANNELS, EXPANDED, 1, 1, generator=draw).requires_grad_()

    @torch.enable_grad()
    def step(self) -> None:
        """A forward and a backward pass, which leave nothing behind."""
        wide = F.relu6(_normalised(F.conv2d(self._images, self._expand)))
        wide = F.relu6(_normalised(F.conv2d(wide, self._depthwise, padding=1, groups=EXPANDED)))
        out = self._images + _normalised(F.conv2d(wide, self._project))
        torch.autograd.grad(out.square().mean(), (self._expand, self._depthwise, self._project))


def _normalised(maps: torch.Tensor) -> torch.Tensor:
    return F.batch_norm(maps, None, None, training=True)
