"""What glibc's habit of giving freed memory back costs a training step: processes in turns, with and without it."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from typing import Any

ROUNDS = 6
SCRIPT = """
import statistics, sys, time
from tlbench.execute.allocator import keep_freed_memory
if sys.argv[1] == "kept":
    assert keep_freed_memory()
import torch
from tlbench_packaged.efficientnet_lite import efficientnet_lite
model = efficientnet_lite(0).build(10, image_size=96, pretrained=True).train().to(memory_format=torch.channels_last)
images = torch.randn(32, 3, 96, 96).contiguous(memory_format=torch.channels_last)
labels = torch.arange(32) % 10
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
times = []
for _ in range(13):
    begun = time.perf_counter()
    optimizer.zero_grad()
    torch.nn.functional.cross_entropy(model(images), labels).backward()
    optimizer.step()
    times.append(time.perf_counter() - begun)
print(statistics.median(times[3:]))
"""


def step_seconds(how: str) -> float:
    """The median step of a fresh process."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    command = [sys.executable, "-c", SCRIPT, how]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return float(done.stdout.split()[-1])


def test_freed_memory_kept(benchmark: Any) -> None:
    ratios: list[float] = []

    def pair() -> None:
        ratios.append(step_seconds("kept") / step_seconds("given back"))

    benchmark.pedantic(pair, rounds=ROUNDS)
    quarters = statistics.quantiles(ratios, n=4)
    ratio = statistics.median(ratios)
    benchmark.extra_info.update(ratio=ratio, ratio_quartiles=[quarters[0], quarters[2]], rounds=ROUNDS)
    print(f"\nkept / given back: {ratio:.3f} (quartiles {quarters[0]:.3f} to {quarters[2]:.3f}, {ROUNDS} rounds)")
    assert ratio <= 1.02
