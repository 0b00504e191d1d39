"""How fast the machine is at the moment: a fixed convolution between training steps, outside their times.

A shared CPU drifts by several per cent within minutes, and what takes longer then is no slower code. The convolution is
always the same, so that its time says how much of a difference between two runs is the machine's.
"""

from __future__ import annotations

import statistics
import time

import torch
import torch.nn.functional as F

from tlbench.measure.spans import Spans

SHARE = 0.02
"""Of the time of training: what the convolutions may take, beside it."""
IMAGES, CHANNELS, WIDER, SIDE = 2, 32, 64, 56
WARM_UP, MOST_AT_ONCE = 3, 4


class Pace:
    """Times a convolution and a depthwise one between steps on the CPU; other devices are not asked.

    What it allocates is allocated at once, so that no peak of memory that is watched from then on contains it.
    """

    def __init__(self, device: torch.device, spans: Spans) -> None:
        self._asked = device.type == "cpu"
        self._spans = spans
        self._seconds: list[float] = []
        self._ended = self._took = 0.0
        if self._asked:
            self._allocate()
            with spans.within("measure"):
                for _ in range(WARM_UP):
                    self._time()

    @property
    def median_ms(self) -> float | None:
        """Milliseconds of the fixed work, in the median of the times between steps; None where there were none."""
        return 1e3 * statistics.median(self._seconds) if self._seconds else None

    def between_steps(self) -> None:
        """Time it as often as `SHARE` of the time since it ended last is enough for."""
        if not self._asked:
            return
        times = int((time.perf_counter() - self._ended) * SHARE / self._took)
        if times:
            with self._spans.within("measure"):
                for _ in range(min(times, MOST_AT_ONCE)):
                    self._time()
                    self._seconds.append(self._took)

    def _allocate(self) -> None:
        draw = torch.Generator().manual_seed(0)
        images = torch.randn(IMAGES, CHANNELS, SIDE, SIDE, generator=draw)
        self._images = images.contiguous(memory_format=torch.channels_last)
        self._kernels = torch.randn(WIDER, CHANNELS, 3, 3, generator=draw).contiguous(memory_format=torch.channels_last)
        self._depthwise = torch.randn(WIDER, 1, 3, 3, generator=draw)

    @torch.inference_mode()
    def _time(self) -> None:
        begun = time.perf_counter()
        wider = F.conv2d(self._images, self._kernels, padding=1)
        F.conv2d(wider, self._depthwise, padding=1, groups=WIDER)
        self._ended = time.perf_counter()
        self._took = self._ended - begun
