"""On an NVIDIA GPU: the peak of memory and a step against a bare loop, events against the wall, a search of kernels."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
import torch.nn.functional as F
from builders import make_setting
from conftest import Paired
from torch import nn
from torchvision.models import resnet50

from tlbench.contracts import Backbone, Preprocessing
from tlbench.contracts.model import TransferModel
from tlbench.contracts.phases import Train
from tlbench.data.batches import Images
from tlbench.data.pixels import ArrayPixels
from tlbench.engine.feed import Feed
from tlbench.engine.loop import prepare_phase, train
from tlbench.engine.numerics import measure
from tlbench.engine.precision import DTYPES
from tlbench.engine.setting import Setting
from tlbench.plan import Protocol
from tlbench.plan.choices import Precision

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")

CUDA = torch.device("cuda")
BATCH, STEPS, SIZE, CLASSES, ROUNDS = 64, 32, 224, 10, 4
IMAGES = BATCH * STEPS

MODELS: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "lite0": (lambda: timm.create_model("tf_efficientnet_lite0", num_classes=CLASSES), "classifier"),
    "resnet50": (lambda: resnet50(num_classes=CLASSES), "fc"),
    "vit_small": (lambda: timm.create_model("vit_small_patch16_224", num_classes=CLASSES), "head"),
}
CASES = [("resnet50", "fp32"), ("lite0", "fp32"), ("resnet50", "bf16"), ("vit_small", "bf16")]

Trained = tuple[TransferModel, Train, Setting, Feed]


@pytest.fixture(scope="module")
def examples() -> tuple[np.ndarray, np.ndarray]:
    """Images and labels of noise: times and bytes ask for no more."""
    random = np.random.default_rng(0)
    return random.integers(0, 256, (IMAGES, SIZE, SIZE, 3), dtype=np.uint8), random.integers(0, CLASSES, IMAGES)


def harness(name: str, precision: Precision, examples: tuple[np.ndarray, np.ndarray], folder: Path) -> Trained:
    """What the engine trains: all of a model, on images that lie on the GPU."""
    make, head = MODELS[name]
    pixels, labels = examples
    np.save(folder / "images.npy", pixels)
    half = Preprocessing((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    source = ArrayPixels(folder / "images.npy", CUDA)
    assert source.device.type == "cuda"
    images = Images(source, torch.from_numpy(labels), torch.arange(IMAGES), half, CUDA)
    module = make().to(CUDA, memory_format=torch.channels_last)  # type: ignore[call-overload]
    model = TransferModel(module, Backbone(build=lambda *_, **__: module, head=head))
    protocol = Protocol(
        epochs=1, batch_size=BATCH, image_size=SIZE, train_size=None, test_size=None, precision=precision
    )
    order = torch.Generator().manual_seed(0)
    setting = make_setting(protocol, classes=CLASSES, learning_rate=1e-3, order=order, device=CUDA)
    phase = Train(model.everything)
    prepare_phase(model, phase)
    return model, phase, setting, Feed(images, module)


def bare(name: str, precision: Precision, pixels: torch.Tensor, labels: torch.Tensor) -> Callable[[], None]:
    """An epoch as a person writes it who knows the GPU: all on it, channels_last, autocast, clipping, fused AdamW."""
    module = MODELS[name][0]().to(CUDA, memory_format=torch.channels_last)  # type: ignore[call-overload]
    mean, scale, dtype = 127.5, 1 / 127.5, DTYPES[precision]

    def epoch() -> None:
        module.train()
        optimizer = torch.optim.AdamW(module.parameters(), lr=1e-3, fused=True)
        for chosen in torch.randperm(IMAGES).to(CUDA).split(BATCH):
            images = (pixels[chosen].permute(0, 3, 1, 2).float() - mean) * scale
            optimizer.zero_grad()
            with torch.autocast("cuda", dtype, enabled=precision != "fp32"):
                loss = F.cross_entropy(module(images), labels[chosen])
            loss.backward()
            nn.utils.clip_grad_norm_(module.parameters(), 1.0)
            optimizer.step()
        torch.cuda.synchronize()

    return epoch


def same_over_same(one: Callable[[], None], other: Callable[[], None]) -> float:
    """The ratio of what is alike: a ratio nearer to 1 than this says nothing."""

    def seconds(function: Callable[[], None]) -> float:
        begun = time.perf_counter()
        function()
        return time.perf_counter() - begun

    other()
    return statistics.median([seconds(one) / seconds(other) for _ in range(ROUNDS)])


@pytest.mark.parametrize(("name", "precision"), [("resnet50", "fp32"), ("vit_small", "bf16")])
def test_peak_memory_against_bare_loop(
    benchmark: Any, examples: tuple[np.ndarray, np.ndarray], tmp_path: Path, name: str, precision: Precision
) -> None:
    def peak(function: Callable[[], object]) -> int:
        function()
        torch.cuda.reset_peak_memory_stats()
        function()
        return torch.cuda.max_memory_allocated()

    def of_harness() -> int:
        model, phase, setting, feed = harness(name, precision, examples, tmp_path)
        return peak(lambda: train(model, phase, 0, setting, feed))

    def of_bare() -> int:
        pixels, labels = (torch.from_numpy(each).to(CUDA) for each in examples)
        return peak(bare(name, precision, pixels, labels))

    ours = benchmark.pedantic(of_harness, rounds=1)
    theirs = of_bare()
    benchmark.extra_info.update(model=name, precision=precision, ours_bytes=ours, theirs_bytes=theirs)
    print(f"\n{name} {precision}: peak {ours / 2**20:.0f} MiB, of a bare loop {theirs / 2**20:.0f} MiB")
    assert ours == pytest.approx(theirs, rel=0.02)


@pytest.mark.parametrize("name", ["lite0", "resnet50"])
def test_what_a_search_of_kernels_brings(
    benchmark: Any, examples: tuple[np.ndarray, np.ndarray], tmp_path: Path, name: str
) -> None:
    """`torch.backends.cudnn.benchmark`, which is off in trials: the seconds of its search, its memory, its gain."""
    model, phase, setting, feed = harness(name, "fp32", examples, tmp_path)

    def epoch() -> dict[str, float]:
        torch.cuda.reset_peak_memory_stats()
        begun = time.perf_counter()
        found = train(model, phase, 0, setting, feed)
        torch.cuda.synchronize()
        return {
            "seconds": time.perf_counter() - begun,
            "step_ms": 1e3 * statistics.median(step.seconds for step in found.steps.steps),
            "peak_bytes": torch.cuda.max_memory_allocated(),
        }

    epoch()
    without = [epoch() for _ in range(3)][-1]
    torch.backends.cudnn.benchmark = True
    try:
        first = benchmark.pedantic(epoch, rounds=1)
        searched = [epoch() for _ in range(3)][-1]
    finally:
        torch.backends.cudnn.benchmark = False
    found = {
        "search_seconds": first["seconds"] - searched["seconds"],
        "search_peak_over_peak": first["peak_bytes"] / without["peak_bytes"],
        "step_over_step": searched["step_ms"] / without["step_ms"],
    }
    benchmark.extra_info.update(model=name, **found)
    print("\n" + name, {key: round(value, 3) for key, value in found.items()})


@pytest.mark.parametrize("name", MODELS)
def test_number_formats(benchmark: Any, examples: tuple[np.ndarray, np.ndarray], tmp_path: Path, name: str) -> None:
    model, _, _, feed = harness(name, "fp32", examples, tmp_path)
    batch = feed.source.batch(torch.arange(BATCH))
    found = benchmark.pedantic(lambda: measure(model.module, batch, F.cross_entropy), rounds=1)
    steps = {f"{each.precision}, {each.memory_format}": each.step_ms for each in found}
    benchmark.extra_info.update(model=name, step_ms=steps)
    print("\n" + name, {key: round(value, 1) for key, value in steps.items()})
    assert len(steps) == 4


@pytest.mark.parametrize(("name", "precision"), CASES)
def test_harness_against_bare_loop(
    paired: Paired,
    benchmark: Any,
    examples: tuple[np.ndarray, np.ndarray],
    tmp_path: Path,
    name: str,
    precision: Precision,
) -> None:
    model, phase, setting, feed = harness(name, precision, examples, tmp_path)
    pixels, labels = (torch.from_numpy(each).to(CUDA) for each in examples)
    by_events: list[float] = []
    by_wall: list[float] = []

    def ours() -> None:
        torch.cuda.synchronize()
        begun = time.perf_counter()
        found = train(model, phase, 0, setting, feed)
        torch.cuda.synchronize()
        by_wall.append(time.perf_counter() - begun)
        by_events.append(sum(step.seconds for step in found.steps.steps))

    theirs, the_same = bare(name, precision, pixels, labels), bare(name, precision, pixels, labels)
    ratio = paired(ours, theirs, ROUNDS)
    control = same_over_same(theirs, the_same)
    seen = statistics.median(events / wall for events, wall in zip(by_events, by_wall, strict=True))
    step_ms = 1e3 * statistics.median(by_events[-ROUNDS:]) / STEPS
    benchmark.extra_info.update(
        model=name, precision=precision, gpu=torch.cuda.get_device_name(), step_ms=step_ms, events_over_wall=seen,
        same_over_same=control,
    )  # fmt: skip
    print(f"{name} {precision}: a step {step_ms:.2f} ms by events, which see {100 * seen:.1f} % of the wall's time")
    print(f"the bare loop against itself: {control:.3f}")
    assert ratio <= max(1.02, control, 1 / control)
