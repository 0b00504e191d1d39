"""Where a training step's time goes, and what is imported before the first: what docs/speed.md says bounds the ratios.

python benchmarks/profile_step.py; writes benchmarks/results/profile.json.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile

from tlbench_packaged.efficientnet_lite import efficientnet_lite

RESULTS = Path(__file__).parent / "results" / "profile.json"
KINDS = {
    "convolution": ("convolution",),
    "BatchNorm": ("batch_norm",),
    "compiled kernels": ("CompiledFxGraph",),
    "optimizer": ("adam", "Optimizer"),
}
STEPS = 5
IMPORTED = ("torch", "torchvision", "timm", "scipy.stats", "torchmetrics", "tlbench.trial.batched")
IMPORTS = """
import importlib, json, sys, time
seconds = {}
for name in sys.argv[1:]:
    begun = time.perf_counter()
    importlib.import_module(name)
    seconds[name] = time.perf_counter() - begun
print(json.dumps(seconds))
"""


def kind_of(name: str) -> str:
    """Which of the kinds an operation is of."""
    return next((kind for kind, parts in KINDS.items() if any(part in name for part in parts)), "other")


def shares(compiled: bool) -> dict[str, Any]:
    """Milliseconds of a step of EfficientNet-Lite0 at 96 px by kind, and the share of each."""
    torch.manual_seed(0)
    model = efficientnet_lite(0).build(10, image_size=96, pretrained=True).train()
    model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    forward = torch.compile(model) if compiled else model
    images = torch.randn(32, 3, 96, 96).contiguous(memory_format=torch.channels_last)
    labels = torch.arange(32) % 10
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)

    def step() -> None:
        optimizer.zero_grad()
        nn.functional.cross_entropy(forward(images), labels).backward()
        optimizer.step()

    for _ in range(3):
        step()
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        for _ in range(STEPS):
            step()
    times: Counter[str] = Counter()
    for event in profiled.key_averages():
        times[kind_of(event.key)] += event.self_cpu_time_total / 1e3 / STEPS
    total = sum(times.values())
    return {kind: {"ms": value, "share": value / total} for kind, value in times.most_common()}


def import_seconds() -> dict[str, float]:
    """Of a fresh process that imports what a trial needs, one after the other; medians of three."""
    command = [sys.executable, "-c", IMPORTS, *IMPORTED]
    found = [json.loads(subprocess.run(command, capture_output=True, check=True).stdout) for _ in range(3)]
    return {name: statistics.median(each[name] for each in found) for name in IMPORTED}


if __name__ == "__main__":
    found = {
        "torch": torch.__version__,
        "import_seconds": import_seconds(),
        "eager": shares(compiled=False),
        "compiled": shares(compiled=True),
    }
    RESULTS.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    print(json.dumps(found, indent=1))
