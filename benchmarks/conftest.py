"""Side by side: what is compared runs in turns in one process, and the figure is the ratio."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import pytest

Paired = Callable[[Callable[[], object], Callable[[], object], int], float]


@pytest.fixture
def paired(benchmark: Any) -> Paired:
    """Time `ours` (the benchmark) and `theirs` in turns; gives the median over rounds of ours / theirs."""

    def run(ours: Callable[[], object], theirs: Callable[[], object], rounds: int) -> float:
        seconds: list[float] = []

        def before_each() -> None:
            begun = time.perf_counter()
            theirs()
            seconds.append(time.perf_counter() - begun)

        benchmark.pedantic(ours, setup=before_each, rounds=rounds, warmup_rounds=2)
        own = benchmark.stats.stats.data
        ratios = [mine / other for mine, other in zip(own, seconds[-rounds:], strict=True)]
        quarters = statistics.quantiles(ratios, n=4)
        ratio = statistics.median(ratios)
        benchmark.extra_info.update(ratio=ratio, ratio_quartiles=[quarters[0], quarters[2]], rounds=rounds)
        print(f"\nours / theirs: {ratio:.3f} (quartiles {quarters[0]:.3f} to {quarters[2]:.3f}, {rounds} rounds)")
        return ratio

    return run
